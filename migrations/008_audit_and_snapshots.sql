-- Who did what, and how services were before it.

-- No foreign keys: an entry survives everything that it tells of.
create table medic.audit_entries (
  log_id bigint primary key generated always as identity,
  action_type text not null check (action_type in (
    'execution_started', 'step_completed', 'step_failed', 'approval_requested', 'approved', 'rejected', 'expired',
    'cancelled', 'execution_completed', 'execution_failed', 'execution_interrupted', 'key_created', 'key_revoked',
    'config_changed')),
  execution_id bigint,
  playbook_id integer,
  service_id integer,
  details jsonb not null check (jsonb_typeof(details) = 'object'),
  -- Null: an automatic step.
  actor text,
  occurred_at timestamptz(3) not null
);

-- Every filter leads one of these, newest first.
create index audit_entries_newest on medic.audit_entries (occurred_at, log_id);
create index audit_entries_of_execution on medic.audit_entries (execution_id, occurred_at, log_id)
  where execution_id is not null;
create index audit_entries_of_playbook on medic.audit_entries (playbook_id, occurred_at, log_id)
  where playbook_id is not null;
create index audit_entries_of_service on medic.audit_entries (service_id, occurred_at, log_id)
  where service_id is not null;
create index audit_entries_of_action on medic.audit_entries (action_type, occurred_at, log_id);
create index audit_entries_of_actor on medic.audit_entries (actor, occurred_at, log_id) where actor is not null;

-- Append-only, whoever asks; retention says in its transaction that it is retention.
create function medic.refuse_audit_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('medic.audit_retention', true) = 'on' then
    return null;
  end if;
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$;

create trigger audit_entries_append_only before update or delete or truncate on medic.audit_entries
  for each statement execute function medic.refuse_audit_change();

-- The state of a service before a change. No foreign key: the snapshot of a deletion survives the service.
create table medic.service_snapshots (
  snapshot_id bigint primary key generated always as identity,
  service_id integer not null,
  heartbeat_name text not null,
  action_type text not null check (action_type in (
    'deactivate', 'activate', 'mute', 'unmute', 'priority_change', 'team_change', 'edit', 'bulk_edit', 'delete',
    'restore')),
  snapshot_data jsonb not null check (jsonb_typeof(snapshot_data) = 'object'),
  -- Of a deleted service, so that it can come back with it; a credential, and shown to nobody.
  ping_key uuid,
  actor text not null,
  actor_note text check (char_length(actor_note) <= 255),
  created_at timestamptz(3) not null,
  restored_at timestamptz(3),
  restored_by text,
  check ((restored_at is null) = (restored_by is null)),
  check ((ping_key is null) = (action_type <> 'delete'))
);

create index service_snapshots_newest on medic.service_snapshots (created_at, snapshot_id);
create index service_snapshots_of_service on medic.service_snapshots (service_id, created_at, snapshot_id);
create index service_snapshots_of_action on medic.service_snapshots (action_type, created_at, snapshot_id);
