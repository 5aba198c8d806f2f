import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
const TOTAL = 60;
beforeAll(async () => {
  medic = await startTestMedic();
  for (let n = 0; n < TOTAL; n += 1) {
    const { heartbeat_name } = await registered(medic, {
      heartbeat_name: `${n % 2 ? 'Odd' : 'even'}-${n}`,
      // Ties everywhere, so that only a total order pages without gaps.
      service_name: `Name ${n % 3}`,
      team: `team-${n % 2}`,
      priority: `p${(n % 5) + 1}`,
      alert_interval_seconds: 604_800,
      active: n % 10 !== 0,
    });
    if (n % 10 === 1) await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' });
    if (n % 10 === 2) await medic.call('POST', `/service/${heartbeat_name}`, { muted: 1 });
    if (n % 10 === 3) await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' });
  }
});
afterAll(() => medic.close());

const list = async (query: string, path = '/v2/services') =>
  resultsOf(await medic.call('GET', `${path}?${query}`));
const total = async (query: string) => (await list(query)).total_count;

describe.each(['/v2/services', '/v2/alerts'])('paging of %s', (path) => {
  test.each([
    ['', 50, 0],
    ['limit=1', 1, 0],
    ['limit=250', 250, 0],
    ['limit=251', 250, 0],
    ['limit=99999999999999999999999', 250, 0],
    ['limit=0', 1, 0],
    ['limit=-7', 1, 0],
    ['limit=abc', 50, 0],
    ['limit=', 50, 0],
    ['limit=1.5', 50, 0],
    ['limit=1e1', 50, 0],
    ['limit=0x10', 50, 0],
    ['limit=%00', 50, 0],
    ['offset=3', 50, 3],
    ['offset=-3', 50, 0],
    ['offset=x&limit=2', 2, 0],
    ['offset=1.5', 50, 0],
  ])('"%s" means limit %i and offset %i', async (query, limit, offset) => {
    const page = await list(query, path);
    expect(Object.keys(page)).toEqual(['entries', 'total_count', 'limit', 'offset', 'has_more']);
    expect(page).toMatchObject({ limit, offset });
    expect(page.entries).toHaveLength(Math.max(0, Math.min(limit, page.total_count - offset)));
    expect(page.has_more).toBe(offset + page.entries.length < page.total_count);
  });

  test('an offset behind the end is an empty page', async () => {
    for (const offset of ['1000', '9007199254740991', '99999999999999999999999999']) {
      expect(await list(`offset=${offset}`, path)).toMatchObject({ entries: [], has_more: false });
    }
  });
});

const SORTS = ['service_id', 'heartbeat_name', 'service_name', 'last_heartbeat', 'priority'];

test.each(SORTS.flatMap((sort) => [`${sort}&dir=asc`, `${sort}&dir=DESC`]))(
  'pages sorted by %s neither repeat nor skip an entry',
  async (sort) => {
    const all = (await list(`sort=${sort}&limit=250`)).entries;
    const paged = [];
    for (let offset = 0; offset < TOTAL; offset += 7) {
      paged.push(...(await list(`sort=${sort}&limit=7&offset=${offset}`)).entries);
    }
    expect(paged).toEqual(all);
    const ids = all.map((entry: { service_id: number }) => entry.service_id);
    expect(new Set(ids).size).toBe(TOTAL);
    const [member = '', direction] = sort.split('&dir=');
    for (const [index, entry] of all.entries()) {
      const next = all[index + 1];
      if (next === undefined) continue;
      const key = (row: Record<string, string | number | null>) => {
        const value = row[member];
        return typeof value === 'string' ? value.toLowerCase() : (value ?? '~');
      };
      if (key(entry) !== key(next)) {
        const rises = key(entry) < key(next) || next[member] === null;
        expect(rises, `${key(entry)} before ${key(next)}`).toBe(direction === 'asc' || next[member] === null);
      } else {
        expect(entry.service_id < next.service_id).toBe(direction === 'asc');
      }
    }
  },
);

test('the default order is by service_id, rising', async () => {
  expect(await list('limit=250')).toEqual(await list('limit=250&sort=Service_ID&dir=asc'));
});

test('every filter selects what it says, alone and together', async () => {
  expect(await total('')).toBe(TOTAL);
  for (const [query, expected] of [
    ['heartbeat_name=EVEN-4', 1],
    ['heartbeat_name=even', 0],
    ['service_name=Name%201', 20],
    ['service_name=name%201', 0],
    ['q=ODD', 30],
    ['q=NAME%202', 20],
    ['q=%25', 0],
    ['q=_', 0],
    ['q=', TOTAL],
    ['active=true', 54],
    ['active=false', 6],
    ['muted=true', 6],
    ['muted=false', 54],
    ['down=true', 6],
    ['down=false', 54],
    ['state=Inactive', 6],
    ['state=down', 6],
    ['state=up', 6],
    ['state=new', 42],
    ['state=late', 0],
    ['state=degraded', 0],
    ['team=team-1', 30],
    ['team=none', 0],
    ['team_id=1', 0],
    ['priority=P1', 12],
    ['team=team-1&down=true&priority=p2&q=odd', 6],
    ['team=team-0&down=true', 0],
  ] as const) {
    expect(await total(query), query).toBe(expected);
  }
});

test.each([
  ['active', '2'],
  ['active', '1'],
  ['active', ''],
  ['muted', 'yes'],
  ['down', 'null'],
  ['state', 'broken'],
  ['state', ''],
  ['team_id', 'x'],
  ['team_id', '-1'],
  ['team_id', '1.5'],
  ['priority', 'p9'],
  ['sort', 'date_added'],
  ['sort', 'service_id;drop'],
  ['dir', 'up'],
  ['q', 'x'.repeat(256)],
  ['q', '%00'],
  ['team', 'a%00b'],
  ['service_name', '%00'],
  ['heartbeat_name', '%00'],
  ['colour', 'red'],
  ['state[]', 'up'],
  ['state', 'up&state=down'],
  ['constructor', '1'],
])('the filter %s=%s is refused by name', async (name, value) => {
  expectFailure(await medic.call('GET', `/v2/services?${name}=${value}`), 400, name);
});
