import { describe, expect, test } from 'vitest';
import { isFromSlack, type SignedBySlack } from './slack-signature.ts';

/** The example of https://docs.slack.dev/authentication/verifying-requests-from-slack */
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const BODY =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&' +
  'channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&' +
  'response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&' +
  'trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
const SIGNED: SignedBySlack = {
  timestamp: '1531420618',
  signature: 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  body: Buffer.from(BODY),
};
const at = (seconds: number) => new Date((1_531_420_618 + seconds) * 1000);
const judged = (change: Partial<SignedBySlack>, secret: string | undefined = SECRET, now = at(0)) =>
  isFromSlack({ ...SIGNED, ...change }, secret, now);

describe('a callback of Slack', () => {
  test.each([0, 300, -300])('is genuine %i s after it was signed', (seconds) => {
    expect(judged({}, SECRET, at(seconds))).toBe(true);
  });

  test.each([301, -301, 86_400])('is none %i s after it was signed', (seconds) => {
    expect(judged({}, SECRET, at(seconds))).toBe(false);
  });

  test.each<[string, Partial<SignedBySlack>]>([
    ['no signature', { signature: undefined }],
    ['an empty signature', { signature: '' }],
    ['another signature', { signature: SIGNED.signature?.replace('a', 'b') }],
    ['a signature in capitals', { signature: SIGNED.signature?.toUpperCase() }],
    ['a signature of another version', { signature: SIGNED.signature?.replace('v0', 'v1') }],
    ['a signature that is cut', { signature: SIGNED.signature?.slice(0, -1) }],
    ['a signature of strange bytes', { signature: 'v0=\u00ff\u00fe\ud800' }],
    ['no time', { timestamp: undefined }],
    ['another time', { timestamp: '1531420619' }],
    ['a time with a sign', { timestamp: '+1531420618' }],
    ['a time that is none', { timestamp: 'NaN' }],
    ['another body', { body: Buffer.from(`${BODY}&x=1`) }],
    ['no body', { body: Buffer.alloc(0) }],
  ])('is none with %s', (_name, change) => {
    expect(judged(change)).toBe(false);
  });

  test.each(['another', '', undefined])('is none for the signing secret %j', (secret) => {
    expect(isFromSlack(SIGNED, secret, at(0))).toBe(false);
  });
});
