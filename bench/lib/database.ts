import pg from 'pg';
import type { MedicChild } from './children.ts';

/** Runs `work` on a connection of its own to the database of a Medic. */
export async function onDatabase<T>(
  { connection }: Pick<MedicChild, 'connection'>,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(connection);
  // On Ctrl-C the database ends first; whoever waits for an answer is told so by its query.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
