import { afterAll, expect, test, vi } from 'vitest';
import { EventSource } from './harness/event-source.ts';
import { endMedics, eventually, register, send } from './harness/process.ts';
import { createSite } from './harness/site.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

afterAll(endMedics);

test('a reader whose process is killed again and again resumes elsewhere and has missed nothing', async () => {
  const site = await createSite();
  const stable = site.run('api');
  const url = await stable.url();
  const id = await eventually('ready', 10_000, () => register(url, 'api').catch(() => undefined));
  const ids: number[] = [];
  let changes = 0;
  let resumeFrom: string | undefined;
  for (let life = 0; life < 4; life += 1) {
    const doomed = site.run('api');
    const address = await doomed.url();
    const source = await eventually('a stream', 10_000, () =>
      EventSource.open(address, {
        types: 'service.updated',
        authorization: null,
        ...(resumeFrom === undefined ? {} : { lastEventId: resumeFrom }),
      }).catch(() => undefined),
    );
    for (let n = 0; n < 30; n += 1) {
      const answer = await send(url, 'PATCH', `/v2/services/${id}`, { service_name: `name ${changes}` });
      expect(answer.status).toBe(200);
      changes += 1;
    }
    if (life === 3) await source.until(() => ids.length + source.events.length >= changes);
    else await source.until((events) => events.length > 0);
    doomed.child.kill('SIGKILL');
    await source.ended;
    expect(source.events.filter(({ event }) => event === 'reset')).toEqual([]);
    ids.push(...source.events.map((event) => event.id));
    resumeFrom = source.lastEventId;
  }
  expect(ids).toHaveLength(changes);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  stable.child.kill('SIGTERM');
  expect(await stable.ended(), stable.output()).toMatchObject({ code: 0 });
  await site.close();
});

test('a service that falls silent is told late and down within a second, from whatever process', async () => {
  const site = await createSite();
  const [api, other] = [site.run('api'), site.run('api')];
  site.run('worker');
  const url = await api.url();
  const fields = { alert_interval_seconds: 10, grace_period_seconds: 2 };
  await eventually('ready', 10_000, () => register(url, 'silent', fields).catch(() => undefined));
  const source = await EventSource.open(await other.url(), {
    types: 'service.state,alert.opened',
    authorization: null,
  });
  const arrivals: number[] = [];
  for (const count of [1, 2, 3]) {
    await source.until((events) => events.length >= count, 20_000);
    arrivals.push(Date.now());
  }
  expect(source.events.map(({ event, data }) => `${event} ${data.data.state ?? ''}`).toSorted()).toEqual([
    'alert.opened ',
    'service.state down',
    'service.state late',
  ]);
  for (const [index, { data }] of source.events.entries()) {
    expect((arrivals[index] ?? 0) - new Date(data.occurred_at).getTime()).toBeLessThan(1_500);
  }
  const alert = source.events.find(({ event }) => event === 'alert.opened');
  const silentFor = new Date(alert?.data.occurred_at ?? 0).getTime();
  const late = source.events.find(({ data }) => data.data.state === 'late');
  expect(silentFor - new Date(late?.data.occurred_at ?? 0).getTime()).toBeGreaterThan(1_000);
  await source.close();
  api.child.kill('SIGTERM');
  expect(await api.ended(), api.output()).toMatchObject({ code: 0 });
  await endMedics();
  await site.close();
});
