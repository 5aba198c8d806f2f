-- What lets lists be counted and skipped through in an index alone.

-- The same keys as before; what events are filtered by comes with them, since the events of a service lie scattered over
-- the whole table.
drop index medic.heartbeats_of_service;
create index heartbeats_of_service on medic.heartbeats (service_id, received_at, heartbeat_id) include (status, run_id);
