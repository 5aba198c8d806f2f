import { expect, test } from 'vitest';
import { credentialsIn } from './credentials.ts';

test.each([
  ['SLACK_API_TOKEN', 'xoxb', ['xoxb']],
  ['PAGERDUTY_ROUTING_KEY', 'routing', ['routing']],
  ['PG_PASS', 'pw', ['pw']],
  ['MEDIC_ADMIN_API_KEY', 'mdk_1', ['mdk_1']],
  ['MEDIC_SECRETS_KEY', 'AAAA', ['AAAA']],
  ['MEDIC_SECRETS_KEY_PREVIOUS', 'BBBB', ['BBBB']],
  ['SLACK_SIGNING_SECRET', 'sign', ['sign']],
  ['DATABASE_URL', 'postgres://me:pw@db:5432/medic', ['pw', 'pw']],
  ['DATABASE_URL', 'postgres://me:p%40w%3A@/medic?host=/run/pg', ['p%40w%3A', 'p@w:']],
  ['DATABASE_URL', 'postgres://me:a:b@c@db/medic', ['a:b@c', 'a:b@c']],
  ['DATABASE_URL', 'postgres:///medic?host=/run/pg&password=p%20w', ['p w']],
  ['DATABASE_URL', 'postgres://me:100%@db/medic', ['100%', '100%']],
  ['REDIS_URL', 'redis://:pw@cache:6379', ['pw', 'pw']],
  ['MEDIC_SMTP_URL', 'smtp://me:pw@mail', ['pw', 'pw']],
  ['DATABASE_URL', 'postgres://me@db/medic', []],
  ['MEDIC_BASE_URL', 'https://medic.example.com:8443/a@b:c', []],
  ['MEDIC_BASE_URL', 'nonsense', []],
  ['MEDIC_AUTO_CREATE_ADMIN_KEY', true, []],
  ['SLACK_CHANNEL_ID', 'C1', []],
  ['PG_PASS', undefined, []],
  ['DB_NAME', 'keyboard', []],
])('%s=%s', (name, value, credentials) => {
  expect(credentialsIn({ [name]: value })).toEqual(credentials);
});
