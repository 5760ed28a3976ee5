-- name: BumpWidgetEpoch :exec
UPDATE widget_epoch SET version = version + 1 WHERE id = 1;

-- name: BumpViews :exec
UPDATE users SET views_version = views_version + 1 WHERE id = @id;

-- name: WidgetResult :one
SELECT * FROM widget_results WHERE widget_id = @widget_id AND slot = @slot;

-- Makes the row if there is none, and takes its lease if nobody has it.
-- name: LeaseWidgetResult :one
INSERT INTO widget_results (widget_id, slot, user_id, ask, failures, error, error_detail, lease, lease_until, viewed_at)
VALUES (@widget_id, @slot, @user_id, @ask, 0, '', '', @lease, @lease_until, @now)
ON CONFLICT (widget_id, slot) DO UPDATE
SET lease = excluded.lease, lease_until = excluded.lease_until
WHERE widget_results.lease_until IS NULL OR widget_results.lease_until <= @now
RETURNING *;

-- name: ReleaseWidgetResult :execrows
UPDATE widget_results SET lease = '', lease_until = NULL
WHERE widget_id = @widget_id AND slot = @slot AND lease = @lease;

-- name: PutWidgetResult :one
UPDATE widget_results
SET data = @data, fetched_at = @fetched_at, expires_at = @expires_at, failures = 0, error = '', error_detail = '',
    next_try = NULL, lease = '', lease_until = NULL
WHERE widget_id = @widget_id AND slot = @slot AND lease = @lease
RETURNING *;

-- name: FailWidgetResult :one
UPDATE widget_results
SET failures = failures + 1, error = @error, error_detail = @error_detail, next_try = @next_try, lease = '', lease_until = NULL
WHERE widget_id = @widget_id AND slot = @slot AND lease = @lease
RETURNING *;

-- name: TouchWidgetResult :execrows
UPDATE widget_results SET viewed_at = @now
WHERE widget_id = @widget_id AND slot = @slot AND viewed_at <= @before;

-- Results of widgets with a schedule that somebody looked at since, whose time
-- has come, longest without data first.
-- name: ScheduledWidgetResults :many
SELECT widget_results.widget_id, widget_results.slot, widget_results.user_id, widget_results.ask,
       widget_results.fetched_at, widgets.refresh_every
FROM widget_results
JOIN widgets ON widgets.id = widget_results.widget_id
WHERE widgets.refresh_every IS NOT NULL
  AND widget_results.viewed_at > @viewed_since
  AND (widget_results.lease_until IS NULL OR widget_results.lease_until <= @now)
  AND (widget_results.next_try IS NULL OR widget_results.next_try <= @now)
ORDER BY widget_results.fetched_at NULLS FIRST, widget_results.widget_id, widget_results.slot;

-- name: DeleteWidgetResult :execrows
DELETE FROM widget_results WHERE widget_id = @widget_id AND slot = @slot;

-- name: OldWidgetResults :many
SELECT widget_id, slot FROM widget_results WHERE viewed_at < @before ORDER BY viewed_at LIMIT @most;

-- The first failure of an outage adds the row.
-- name: BeginWidgetOutage :execrows
INSERT INTO widget_outages (widget_id, since) VALUES (@widget_id, @since)
ON CONFLICT (widget_id) DO NOTHING;

-- An outage is over when nothing of the widget fails any more that somebody
-- looked at of late.
-- name: EndWidgetOutage :execrows
DELETE FROM widget_outages
WHERE widget_outages.widget_id = @widget_id AND NOT EXISTS (
    SELECT 1 FROM widget_results
    WHERE widget_results.widget_id = @widget_id AND widget_results.failures > 0 AND widget_results.viewed_at > @viewed_since);

-- name: WatchedWidgetResults :many
SELECT widget_id, slot, user_id, ask FROM widget_results
WHERE widget_id = @widget_id AND (user_id IS NULL OR user_id = @user_id) AND viewed_at > @viewed_since
ORDER BY viewed_at DESC, slot LIMIT @most;

-- name: CrowdedWidgets :many
SELECT widget_id FROM widget_results GROUP BY widget_id HAVING count(*) > CAST(@most AS BIGINT) ORDER BY widget_id;

-- The slots of a widget that were looked at longest ago.
-- name: SurplusWidgetResults :many
SELECT slot FROM widget_results WHERE widget_id = @widget_id ORDER BY viewed_at DESC, slot LIMIT 1000000 OFFSET @most;
