"""The SQL of fenced commits, put together from arms.

Every statement has the shape

    WITH r AS (<guard>), <arm>, <arm> SELECT * FROM r

where the guard either moves the run row (a node commit) or locks it FOR SHARE with the epoch (an action commit).
A bare SELECT, FOR KEY SHARE or separate statements would let a stale writer through (PROTOCOL 4).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from runs.checkpoints.blobs import STAYS
from runs.checkpoints.codec import Encoded

_WHERE = "WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running'"
_RETURNING = "RETURNING team_id, control, node_at::text AS node_at"
_RETURNING_KIN = _RETURNING + ", parent_id IS NOT NULL OR is_parent AS has_kin"
_COUNTERS = (
    "n_steps = n_steps + %(n_steps)s, n_failed_steps = n_failed_steps + %(n_failed)s, "
    "n_retries = n_retries + %(n_retries)s"
)
_PROGRESS = "progress_done = %(progress_done)s, progress_total = %(progress_total)s, progress_note = %(progress_note)s"
_SPENT = (
    "cost_microusd = runs_run.cost_microusd + %(cost_microusd)s, tokens_in = runs_run.tokens_in + %(tokens_in)s, "
    "tokens_out = runs_run.tokens_out + %(tokens_out)s"
)
_LEAVE = "worker_id = NULL, health = %(health)s"

GUARDS = {
    "share": f"SELECT team_id, control, node_at::text AS node_at FROM runs_run {_WHERE} FOR SHARE",
    "count": f"UPDATE runs_run SET {_COUNTERS} {_WHERE} {_RETURNING}",
    "goto": (
        "UPDATE runs_run SET head_seq = %(seq)s, head_hash = %(hash)s, node = %(next_node)s, node_seq = %(next_seq)s, "
        f"node_attempt = 1, attempts_before = 0, is_isolated = false, node_at = clock_timestamp(), {_COUNTERS} {_WHERE} AND node_seq = %(seq)s {_RETURNING}"
    ),
    "goto_sleep": (
        "UPDATE runs_run SET head_seq = %(seq)s, head_hash = %(hash)s, node = %(next_node)s, node_seq = %(next_seq)s, "
        "node_attempt = 1, attempts_before = 0, is_isolated = false, node_at = NULL, status = 'sleeping', "
        "wake_at = clock_timestamp() + make_interval(secs => %(wake_seconds)s), waiting_on = %(waiting_on)s::jsonb, "
        f"{_LEAVE}, {_COUNTERS} {_WHERE} AND node_seq = %(seq)s {_RETURNING}"
    ),
    "finish": (
        "UPDATE runs_run SET head_seq = %(seq)s, head_hash = %(hash)s, status = 'succeeded', ended_at = clock_timestamp(), "
        f"output = %(output)s, output_codec = %(output_codec)s, end_mac = %(end_mac)s, {_LEAVE}, {_COUNTERS} {_WHERE} "
        f"AND node_seq = %(seq)s {_RETURNING_KIN}"
    ),
    "fail": (
        "UPDATE runs_run SET status = 'failed', ended_at = clock_timestamp(), error = %(run_error)s::jsonb, "
        "end_mac = %(end_mac)s, "
        f"{_LEAVE}, {_COUNTERS} {_WHERE} AND node_seq = %(seq)s {_RETURNING_KIN}"
    ),
    "sleep": (
        "UPDATE runs_run SET status = 'sleeping', wake_at = clock_timestamp() + make_interval(secs => %(wake_seconds)s), "
        f"waiting_on = %(waiting_on)s::jsonb, {_LEAVE}, {_COUNTERS} {_WHERE} {_RETURNING}"
    ),
    "leave": (
        "UPDATE runs_run SET status = %(leave_status)s::text,"
        " wake_at = clock_timestamp() + make_interval(secs => %(wake_seconds)s), "
        f"waiting_on = %(waiting_on)s::jsonb, {_LEAVE}, {_COUNTERS} {_WHERE} {_RETURNING}"
    ),
    "ask": (
        "UPDATE runs_run SET status = 'awaiting_approval', waiting_on = %(waiting_on)s::jsonb, "
        f"{_LEAVE}, {_COUNTERS} {_WHERE} {_RETURNING}"
    ),
    "retry_node": (
        "UPDATE runs_run SET status = 'sleeping', wake_at = clock_timestamp() + make_interval(secs => %(wake_seconds)s), "
        "waiting_on = %(waiting_on)s::jsonb, node_attempt = node_attempt + 1, "
        f"{_LEAVE}, {_COUNTERS} {_WHERE} AND node_seq = %(seq)s {_RETURNING}"
    ),
}

_BEGAN = "clock_timestamp() - make_interval(secs => %(elapsed_seconds)s)"

ARMS = {
    "node_step": (
        "INSERT INTO runs_step (run_id, seq, team_id, parent_seq, branch, depth, node_attempt, kind, name, effect, status,"
        " is_superseded, summary, attempts, error_code, cost_microusd, tokens_in, tokens_out, epoch, worker_id, token,"
        " started_at, ended_at)"
        " SELECT %(run_id)s, %(seq)s, team_id, 0, %(branch)s, 0, %(node_attempt)s, 'node', %(name)s, '', %(status)s::text,"
        " false, %(summary)s, %(node_attempt)s, %(error_code)s, 0, 0, 0, %(epoch)s, %(worker_id)s, %(token)s,"
        f" coalesce(%(node_at)s::timestamptz, {_BEGAN}), clock_timestamp() FROM r"
    ),
    "checkpoint": (
        "INSERT INTO runs_checkpoint (run_id, seq, kind, team_id, parent_seq, branch, codec, body, key_id, hash)"
        " SELECT %(run_id)s, %(seq)s, 'd', team_id, %(parent_seq)s, %(branch)s, %(codec)s, %(body)s, %(key_id)s, %(hash)s"
        " FROM r"
    ),
    "files": (
        "INSERT INTO runs_checkpoint (run_id, seq, kind, team_id, parent_seq, branch, codec, body, key_id, hash)"
        " SELECT %(run_id)s, %(seq)s, 'c', team_id, %(parent_seq)s, %(branch)s, %(files_codec)s, %(files_body)s, %(key_id)s,"
        " %(files_hash)s FROM r"
    ),
    "file_uses": (
        "INSERT INTO runs_fileuse (run_id, digest) SELECT %(run_id)s, u.digest FROM r, unnest(%(file_uses)s::bytea[]) AS u(digest)"
        " ON CONFLICT DO NOTHING"
    ),
    "segment": (
        "INSERT INTO runs_checkpoint (run_id, seq, kind, team_id, parent_seq, branch, codec, body, key_id, hash, tip_hash)"
        " SELECT %(run_id)s, %(seq)s, 'g', team_id, %(segment_from)s, %(branch)s, %(segment_codec)s, %(segment_body)s,"
        " %(key_id)s, %(segment_mac)s, %(hash)s FROM r"
    ),
    "action_step": (
        "INSERT INTO runs_step (run_id, seq, team_id, parent_seq, branch, depth, ordinal, node_attempt, kind, name, effect,"
        " status, is_superseded, summary, attempts, error_code, cost_microusd, tokens_in, tokens_out, epoch, worker_id,"
        " token, started_at, ended_at, due_at, reuse)"
        " SELECT %(run_id)s, %(seq)s, team_id, %(node_seq)s, %(branch)s, 1, %(ordinal)s, %(node_attempt)s, %(kind)s,"
        " %(name)s, %(effect)s, %(status)s::text, false, %(summary)s, %(attempts)s, %(error_code)s, %(cost_microusd)s,"
        " %(tokens_in)s, %(tokens_out)s, %(epoch)s,"
        f" %(worker_id)s, %(token)s, {_BEGAN},"
        " CASE WHEN %(status)s::text <> 'running' THEN clock_timestamp() END,"
        " clock_timestamp() + make_interval(secs => %(due_seconds)s), %(reuse)s FROM r"
    ),
    "take_reuse": (
        "UPDATE runs_reuse SET taken_seq = %(seq)s FROM r"
        " WHERE run_id = %(run_id)s AND branch = %(branch)s AND n = %(reuse_n)s"
    ),
    "outcome": (
        "INSERT INTO runs_outcome (run_id, seq, team_id, request_hash, request, request_codec, body, body_codec, riders,"
        " key_id, mac)"
        " SELECT %(run_id)s, %(seq)s, team_id, %(request_hash)s, %(request)s, %(request_codec)s, %(body)s::bytea, %(body_codec)s,"
        " %(riders)s::jsonb, %(key_id)s, %(mac)s FROM r"
    ),
    "waits": (
        "INSERT INTO runs_wait (run_id, seq, n, team_id, kind, is_all, name, key, match, child_id, details, since_at,"
        " timeout_at, closed_by)"
        " SELECT %(run_id)s, %(seq)s, w.n, r.team_id, w.kind, coalesce(w.is_all, false), w.name, coalesce(w.key, ''), w.match,"
        " w.child_id, w.details, clock_timestamp() - make_interval(secs => coalesce(w.lookback_seconds, 0)),"
        " clock_timestamp() + make_interval(secs => %(due_seconds)s), ''"
        " FROM r, jsonb_to_recordset(%(wait_rows)s::jsonb) AS w(n smallint, kind text, is_all boolean, name text, key text,"
        " match jsonb, child_id uuid, details jsonb, lookback_seconds float8)"
    ),
    "fanout": (
        "INSERT INTO runs_fanout (id, run_id, seq, team_id, total, concurrency, min_successes)"
        " SELECT %(fanout_id)s, %(run_id)s, %(seq)s, team_id, %(n_children)s, %(concurrency)s, %(min_successes)s FROM r"
    ),
    "time_out_waits": (
        "UPDATE runs_wait SET closed_at = clock_timestamp(), closed_as = 'timeout'"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s AND closed_at IS NULL"
    ),
    # What was delivered and not used is dropped: a signal that nobody used is free again.
    "settle_waits": (
        "UPDATE runs_wait SET settled_at = clock_timestamp(), closed_at = coalesce(closed_at, clock_timestamp()),"
        " closed_as = CASE WHEN n = ANY(%(fired)s::smallint[]) OR closed_as IN ('timeout', 'cancelled') THEN closed_as"
        " ELSE 'dropped' END"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "blobs": (
        "INSERT INTO runs_blob (digest, team_id, codec, body, plain_bytes)"
        " SELECT b.digest, r.team_id, b.codec, b.body, b.plain_bytes FROM r, unnest(%(blob_digests)s::bytea[],"
        " %(blob_codecs)s::smallint[], %(blob_bodies)s::bytea[], %(blob_sizes)s::bigint[])"
        f" AS b(digest, codec, body, plain_bytes) {STAYS}"
    ),
    "intent": (
        "INSERT INTO runs_intent (run_id, seq, team_id, tool, tool_version, idempotency_key, request_hash, token, epoch,"
        " calls, deadline_at)"
        " SELECT %(run_id)s, %(seq)s, team_id, %(name)s, %(tool_version)s, %(idempotency_key)s, %(request_hash)s, %(token)s,"
        " %(epoch)s, 1, clock_timestamp() + make_interval(secs => %(timeout_seconds)s) FROM r"
    ),
    # No call has begun: a person must allow it first.
    "planned_intent": (
        "INSERT INTO runs_intent (run_id, seq, team_id, tool, tool_version, idempotency_key, request_hash, token, epoch,"
        " calls, deadline_at)"
        " SELECT %(run_id)s, %(seq)s, team_id, %(name)s, %(tool_version)s, %(idempotency_key)s, %(request_hash)s, %(token)s,"
        " %(epoch)s, 0, clock_timestamp() FROM r"
    ),
    "update_step": (
        "UPDATE runs_step SET status = %(status)s::text, attempts = %(attempts)s, error_code = %(error_code)s, epoch = %(epoch)s,"
        " worker_id = %(worker_id)s, token = %(token)s, cost_microusd = cost_microusd + %(cost_microusd)s,"
        " tokens_in = tokens_in + %(tokens_in)s, tokens_out = tokens_out + %(tokens_out)s,"
        " ended_at = CASE WHEN %(status)s::text <> 'running' THEN clock_timestamp() END,"
        " due_at = clock_timestamp() + make_interval(secs => %(due_seconds)s)"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "update_outcome": (
        "UPDATE runs_outcome SET body = %(body)s, body_codec = %(body_codec)s, mac = %(mac)s, key_id = %(key_id)s"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "renew_intent": (
        "UPDATE runs_intent SET epoch = %(epoch)s, token = %(token)s, calls = %(attempts)s + 1,"
        " idempotency_key = %(idempotency_key)s,"
        " deadline_at = clock_timestamp() + make_interval(secs => %(timeout_seconds)s)"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "renew_deadline": (
        "UPDATE runs_intent SET deadline_at = clock_timestamp() + make_interval(secs => %(timeout_seconds)s)"
        " FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "rest_intent": (
        "UPDATE runs_intent SET calls = %(attempts)s FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    "settle_intent": (
        "UPDATE runs_intent SET settled_at = clock_timestamp() FROM r WHERE run_id = %(run_id)s AND seq = %(seq)s"
    ),
    # Its row is locked last, and nothing is locked after it.
    "spend_day": (
        "INSERT INTO runs_spendday AS d (team_id, day, agent_id, model, n_calls, n_unpriced, cost_microusd, tokens_in, tokens_out)"
        " SELECT r.team_id, (clock_timestamp() AT TIME ZONE 'UTC')::date, x.agent_id, %(model)s::text, 1, %(n_unpriced)s,"
        " %(cost_microusd)s, %(tokens_in)s, %(tokens_out)s FROM r, runs_run x WHERE x.id = %(run_id)s"
        " ON CONFLICT (team_id, day, agent_id, model) DO UPDATE SET n_calls = d.n_calls + 1,"
        " n_unpriced = d.n_unpriced + excluded.n_unpriced, cost_microusd = d.cost_microusd + excluded.cost_microusd,"
        " tokens_in = d.tokens_in + excluded.tokens_in, tokens_out = d.tokens_out + excluded.tokens_out"
    ),
    "supersede": (
        "UPDATE runs_step SET is_superseded = true FROM r WHERE run_id = %(run_id)s AND parent_seq = %(seq)s"
        " AND seq > %(seq)s AND ordinal >= %(supersede_from)s"
    ),
    "attempts": (
        "INSERT INTO runs_attempt (run_id, seq, number, team_id, error_code, message, detail, retry_seconds, worker_id,"
        " started_at, ended_at)"
        " SELECT %(run_id)s, a.seq, a.number, r.team_id, a.error_code, a.message, a.detail, a.retry_seconds, %(worker_id)s,"
        " clock_timestamp() - make_interval(secs => a.began_seconds), clock_timestamp() - make_interval(secs => a.ended_seconds)"
        " FROM r, jsonb_to_recordset(%(attempt_rows)s::jsonb) AS a(seq bigint, number int, error_code text, message text,"
        " detail text, retry_seconds float8, began_seconds float8, ended_seconds float8) ON CONFLICT DO NOTHING"
    ),
    "logs": (
        "INSERT INTO runs_logline (run_id, seq, n, team_id, level, message, at)"
        " SELECT %(run_id)s, %(seq)s, l.n + coalesce((SELECT max(n) FROM runs_logline WHERE run_id = %(run_id)s"
        " AND seq = %(seq)s), 0), r.team_id, l.level, l.message, clock_timestamp() - make_interval(secs => l.ago_seconds)"
        " FROM r, jsonb_to_recordset(%(log_rows)s::jsonb) AS l(n int, level text, message text, ago_seconds float8)"
    ),
}

# What becomes of the open steps of a run that a person ends: a write in flight may have happened.
CLOSE_OPEN_STEPS = """
UPDATE runs_step s SET ended_at = clock_timestamp(), status = CASE WHEN EXISTS (
    SELECT 1 FROM runs_intent i WHERE i.run_id = s.run_id AND i.seq = s.seq AND i.settled_at IS NULL
    AND i.calls > s.attempts) THEN 'unknown' ELSE 'cancelled' END
FROM r WHERE s.run_id = r.id AND s.status IN ('running', 'asked') AND r.is_ended
"""
KEEP_EVIDENCE = (
    "UPDATE runs_intent SET evidence = %(evidence)s::jsonb, evidence_at = clock_timestamp()"
    " WHERE run_id = %(run_id)s AND seq = %(seq)s AND token = %(token)s AND settled_at IS NULL"
)
CONFIRM_STEP = (
    "SELECT r.team_id, r.control, r.node_at::text, r.parent_id IS NOT NULL OR r.is_parent FROM runs_step s JOIN runs_run r ON r.id = s.run_id"
    " WHERE s.run_id = %(run_id)s AND s.seq = %(seq)s AND s.token = %(token)s"
)
CONFIRM_ATTEMPT = (
    "SELECT r.team_id, r.control, r.node_at::text FROM runs_attempt a JOIN runs_run r ON r.id = a.run_id"
    " WHERE a.run_id = %(run_id)s AND a.seq = %(seq)s AND a.number = %(node_attempt)s"
)

LOAD_ACTIONS = (
    "SELECT s.seq, s.ordinal, s.name, s.status, s.attempts,"
    " coalesce(extract(epoch from s.due_at - clock_timestamp())::float8, 0.0),"
    " o.request_hash, o.request_codec, o.request, o.body_codec, o.body, o.riders::text, o.mac,"
    " coalesce(i.calls > s.attempts, false),"
    " CASE WHEN w.dead_reason LIKE 'its process %%' THEN 0.0"
    " ELSE coalesce(extract(epoch from i.deadline_at - clock_timestamp())::float8, 0.0) END,"
    " s.is_superseded, s.parent_seq"
    " FROM runs_step s JOIN runs_outcome o ON o.run_id = s.run_id AND o.seq = s.seq"
    " LEFT JOIN runs_intent i ON i.run_id = s.run_id AND i.seq = s.seq AND i.settled_at IS NULL"
    " LEFT JOIN runs_worker w ON w.id = s.worker_id"
    " WHERE s.run_id = %(run_id)s AND s.seq > %(node_seq)s ORDER BY s.seq"
)


def with_blobs(arms: tuple[str, ...], params: dict[str, Any], values: Iterable[Encoded]) -> tuple[str, ...]:
    """Return the arms, and the one that stores the large values that `values` refer to, if any; fills `params`."""
    # Each once, and always in the same order: two that store the same must not wait for each other.
    found = sorted({value.body: value.blob for value in values if value.blob is not None}.items())
    if not found:
        return arms
    params |= {
        "blob_digests": [digest for digest, _ in found], "blob_codecs": [blob.codec for _, blob in found],
        "blob_bodies": [blob.body for _, blob in found], "blob_sizes": [blob.plain_bytes for _, blob in found],
    }  # fmt: skip
    return (*arms, "blobs")


@lru_cache(maxsize=256)
def statement(
    guard: str, arms: tuple[str, ...], *, has_progress: bool = False, has_spent: bool = False
) -> str:
    """Return the text of a fenced statement; the same parts give the same text, so that it stays prepared."""
    head = GUARDS[guard]
    for text in (_PROGRESS,) * has_progress + (_SPENT,) * has_spent:
        head = head.replace("UPDATE runs_run SET ", f"UPDATE runs_run SET {text}, ", 1)
    body = "".join(f", {name} AS ({ARMS[name]})" for name in arms)
    return f"WITH r AS ({head}){body} SELECT * FROM r"
