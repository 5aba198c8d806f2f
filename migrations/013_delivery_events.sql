-- The event stream tells of messages, too: when one is sent, has failed, or is given up.

alter table medic.event_outbox drop constraint event_outbox_type_check;
alter table medic.event_outbox add constraint event_outbox_type_check check (type in (
  'service.created', 'service.updated', 'service.deleted', 'service.state', 'alert.opened', 'alert.updated',
  'alert.closed', 'delivery.updated', 'execution.created', 'execution.updated'));
alter table medic.events drop constraint events_type_check;
alter table medic.events add constraint events_type_check check (type in (
  'service.created', 'service.updated', 'service.deleted', 'service.state', 'alert.opened', 'alert.updated',
  'alert.closed', 'delivery.updated', 'execution.created', 'execution.updated'));

-- Which delivery a change is about; `object_id` is its place in the outbox of messages.
alter table medic.event_outbox add column delivery_id uuid;

create function medic.tell_delivery_change() returns trigger language plpgsql as $$
begin
  insert into medic.event_outbox (type, object_id, delivery_id)
  values ('delivery.updated', new.sequence, new.delivery_id);
  return null;
end $$;

-- Each attempt updates its row twice: only what is final is told.
create trigger delivery_ended after update on medic.notifications
  for each row when (
    old.status is distinct from new.status and new.status in ('success', 'failed', 'cancelled', 'skipped'))
  execute function medic.tell_delivery_change();
