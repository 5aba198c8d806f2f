import pg from 'pg';
import { nameKey } from '../../src/features/heartbeats/name.ts';
import { heartbeatServer, serve } from './heartbeat-route.ts';

/**
 * The ordinary way: each request stores its heartbeat and moves the state of its service in a transaction of its own,
 * on a pool of ten connections, with prepared statements.
 */
const pool = new pg.Pool({
  host: process.env.BENCH_DB_HOST,
  port: Number(process.env.BENCH_DB_PORT),
  user: process.env.BENCH_DB_USER,
  database: process.env.BENCH_DB_NAME,
  max: 10,
});

// Its database stops first.
pool.on('error', () => process.exit(0));

const LOCK = {
  name: 'lock',
  text: `select state.service_id from medic.service_state state join medic.services service using (service_id)
    where service.name_key = $1 for no key update of state`,
};
const INSERT = {
  name: 'insert',
  text: `insert into medic.heartbeats (service_id, received_at, status, source) values ($1, $2, 'UP', 'api')`,
};
const UPDATE = {
  name: 'update',
  text: `update medic.service_state set signs = array[$2::timestamptz], ever_alive = true, last_status = 'UP',
    last_heartbeat_at = $2 where service_id = $1`,
};

await serve(
  heartbeatServer(async (heartbeatName) => {
    const client = await pool.connect();
    try {
      const at = new Date();
      await client.query('begin');
      const found = await client.query<{ service_id: number }>({ ...LOCK, values: [nameKey(heartbeatName)] });
      const id = found.rows[0]?.service_id;
      await client.query({ ...INSERT, values: [id, at] });
      await client.query({ ...UPDATE, values: [id, at] });
      await client.query('commit');
    } finally {
      client.release();
    }
  }),
);
