import { heartbeatRequest } from './connection.ts';

/** Registers services over HTTP. @returns a heartbeat request for each, with the keys in turn. */
export async function registerServices(
  port: number,
  count: number,
  keys: readonly string[] = [],
): Promise<Buffer[]> {
  const names = Array.from({ length: count }, (_, index) => `bench-service-${index}`);
  for (const name of names) await registerService(port, name, keys[0]);
  return names.map((name, index) => heartbeatRequest(name, keys[index % keys.length]));
}

export async function registerService(port: number, name: string, key?: string): Promise<void> {
  const body = { heartbeat_name: name, service_name: 'bench', alert_interval: 60 };
  const answer = await post(port, '/v1/service', body, key);
  if (answer !== 201) throw new Error(`registering ${name} was answered by ${answer}`);
}

/** @returns the status of the answer. */
export async function post(port: number, path: string, body: object, key?: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}
