-- Where messages go: who asked for them, what they queue behind, and which places refuse them for good.

-- Every address has a digest of what tells its destination from others, and its credentials in one member.
update medic.notifications set address =
  jsonb_build_object('digest', encode(sha256(convert_to(
    coalesce(address ->> 'routing_key', address ->> 'channel_id', ''), 'UTF8')), 'hex'))
  || case when address ? 'routing_key'
       then jsonb_build_object('credentials', jsonb_build_object('routing_key', address -> 'routing_key')::text)
       else address end;

-- The webhook or target that the message was written for; both may be gone. Messages of one alert in one lane are sent
-- one after the other, and few of a lane at once.
alter table medic.notifications
  add column if not exists webhook_id integer,
  add column if not exists target_id integer,
  add column lane text not null generated always as (
    channel || ':' || coalesce(address ->> 'digest', destination)
    || coalesce(':w' || webhook_id::text, ':t' || target_id::text, '')) stored;

create index notifications_of_webhook on medic.notifications (webhook_id, sequence) where webhook_id is not null;
create index notifications_of_webhook_by_status on medic.notifications (webhook_id, status, sequence)
  where webhook_id is not null;

-- Lanes whose destination refuses messages for good, until it takes one again.
create table medic.destinations (
  lane text primary key,
  channel text not null,
  destination text not null,
  failing_since timestamptz(3) not null,
  last_failed_at timestamptz(3) not null,
  -- Until then no reminder is sent there.
  next_probe_at timestamptz(3) not null,
  response_code integer,
  error text not null
);
create index destinations_last_failed on medic.destinations (last_failed_at);
