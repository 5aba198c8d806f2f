import { heartbeatServer, serve } from './heartbeat-route.ts';

/** The ceiling: the route alone, nothing is stored. */
await serve(heartbeatServer(async () => {}));
