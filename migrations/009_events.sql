-- What the event stream tells: changes are caught where they are committed, and put in order by one publisher.

-- Written in the transaction of the change, so that none is lost and none is invented. The ids of one object grow in
-- the order of its commits, since whoever changes an object holds its lock; those of different objects may not.
create table medic.event_outbox (
  outbox_id bigint primary key generated always as identity,
  -- Several changes of an object in one transaction are one.
  transaction_id xid8 not null default pg_current_xact_id(),
  type text not null check (type in (
    'service.created', 'service.updated', 'service.deleted', 'service.state', 'alert.opened', 'alert.updated',
    'alert.closed', 'execution.created', 'execution.updated')),
  object_id bigint not null,
  -- Null: the row does not say; the instant of publication.
  occurred_at timestamptz(3),
  -- What is left of a deleted object.
  remains jsonb
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The stream itself. One publisher at a time appends, so that positions grow in the order of its commits.
create table medic.events (
  position bigint primary key generated always as identity,
  type text not null check (type in (
    'service.created', 'service.updated', 'service.deleted', 'service.state', 'alert.opened', 'alert.updated',
    'alert.closed', 'execution.created', 'execution.updated')),
  occurred_at timestamptz(3) not null,
  data jsonb not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The state in which the stream has shown each service last: a state follows from the time, too, so that only the
-- comparison tells whether it has changed.
create table medic.told_states (
  service_id integer primary key,
  state text not null
);

-- Set by the detector when a service has not reported when it was expected; not before then, and not always at once
-- after that has ended.
alter table medic.service_state add column late boolean not null default false;

create function medic.tell_service_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into medic.event_outbox (type, object_id, occurred_at)
    values ('service.created', new.service_id, new.date_modified);
  elsif tg_op = 'UPDATE' then
    insert into medic.event_outbox (type, object_id, occurred_at)
    values ('service.updated', new.service_id, new.date_modified);
  else
    insert into medic.event_outbox (type, object_id, remains)
    values ('service.deleted', old.service_id, jsonb_build_object('service_id', old.service_id,
      'heartbeat_name', old.heartbeat_name, 'service_name', old.service_name));
  end if;
  return null;
end $$;

create trigger service_came_or_went after insert or delete on medic.services
  for each row execute function medic.tell_service_change();
create trigger service_changed after update on medic.services
  for each row when (old is distinct from new) execute function medic.tell_service_change();

create function medic.tell_mute_change() returns trigger language plpgsql as $$
begin
  insert into medic.event_outbox (type, object_id)
  values ('service.updated', case when tg_op = 'DELETE' then old.service_id else new.service_id end);
  return null;
end $$;

create trigger mute_changed after insert or update or delete on medic.mutes
  for each row execute function medic.tell_mute_change();

create function medic.tell_state_change() returns trigger language plpgsql as $$
begin
  insert into medic.event_outbox (type, object_id, occurred_at)
  values ('service.state', new.service_id,
    case when new.last_heartbeat_at is distinct from old.last_heartbeat_at then new.last_heartbeat_at end);
  return null;
end $$;

-- Every heartbeat updates this table: the condition lets only those through that may change what is shown. That a
-- service goes down and comes back is told with its alert.
create trigger state_may_have_changed after update on medic.service_state
  for each row when (
    old.ever_alive <> new.ever_alive
    or old.failure_uncleared <> new.failure_uncleared
    or (old.last_status = 'DEGRADED') is distinct from (new.last_status = 'DEGRADED')
    or old.late or new.late)
  execute function medic.tell_state_change();

-- Ten thousand may open at once.
create function medic.tell_opened_alerts() returns trigger language plpgsql as $$
begin
  insert into medic.event_outbox (type, object_id, occurred_at)
  select 'alert.opened', alert_id, created_at from opened;
  return null;
end $$;

create trigger alert_opened after insert on medic.alerts referencing new table as opened
  for each statement execute function medic.tell_opened_alerts();

create function medic.tell_alert_change() returns trigger language plpgsql as $$
begin
  if new.state = 'closed' and old.state <> 'closed' then
    insert into medic.event_outbox (type, object_id, occurred_at)
    values ('alert.closed', new.alert_id, new.closed_at);
  else
    insert into medic.event_outbox (type, object_id, occurred_at)
    values ('alert.updated', new.alert_id,
      case when new.acknowledged_at is distinct from old.acknowledged_at then new.acknowledged_at end);
  end if;
  return null;
end $$;

create trigger alert_changed after update on medic.alerts
  for each row when (
    (old.state, old.cycle, old.acknowledged_at, old.report_message)
      is distinct from (new.state, new.cycle, new.acknowledged_at, new.report_message))
  execute function medic.tell_alert_change();
