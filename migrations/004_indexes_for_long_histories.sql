-- What keeps its cost when alerts stay open for long and histories grow.

-- Removing an alert removes its events, and each of those looks for its notifications.
create index notifications_of_event on medic.notifications (alert_event_id);
create index alerts_closed_at on medic.alerts (closed_at) where state = 'closed';

-- A forgotten alert collects a reminder for every period: what is unfinished, and how it began, is found without them.
create index notifications_unfinished_of_alert on medic.notifications (alert_id, sequence)
  where status in ('pending', 'retrying');
create index notifications_openings on medic.notifications (alert_id, sequence) where event = 'opened';
