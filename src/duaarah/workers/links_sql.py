# SPDX-License-Identifier: Apache-2.0
"""The statements of the links worker, by name."""

BINDS = "SELECT * FROM sms_bind WHERE active ORDER BY id"
BIND = "SELECT * FROM sms_bind WHERE id = %s"
# The binds that share receipts and redeliveries with this one.
GROUP = """
SELECT o.id FROM sms_bind o JOIN sms_bind b ON b.id = %s
WHERE coalesce(nullif(o.bind_group, ''), o.name) = coalesce(nullif(b.bind_group, ''), b.name)
"""
LOCK = "SELECT pg_try_advisory_lock(%s, %s) AS locked"
BIND_STATE = "UPDATE sms_bind SET state = %s, state_reason = %s, state_at = clock_timestamp() WHERE id = %s"

# Claimed means that it may be on the wire: a row that was claimed and never answered is ambiguous, never simply retried. Nothing
# is put off by more than a minute: what says later was written before the clock was set back.
CLAIM = """
UPDATE sms_outboundsegment SET state = 'SUBMITTING', attempts = attempts + 1, submitted_at = clock_timestamp(),
    lease_until_at = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id IN (SELECT id FROM sms_outboundsegment
             WHERE bind_id = %(bind)s AND state = 'QUEUED'
                 AND not_before_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '61 s'
             ORDER BY priority, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, priority, source, destination, payload, data_coding, esm_class, validity_s, registered, correlation
"""

BOOK = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT '{kind}', e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, e.at, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id {moved}
ON CONFLICT DO NOTHING
"""

# Only a row that moves is settled: a late answer to what was already decided changes nothing.
ACCEPTED = """
WITH moved AS (
    UPDATE sms_outboundsegment s SET state = 'ACCEPTED', smsc_message_id = v.message_id, message_key = v.message_key,
        smsc_status = 0, answered_at = clock_timestamp(), lease_until_at = NULL
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v (id, message_id, message_key)
    WHERE s.id = v.id AND s.state IN ('SUBMITTING', 'AMBIGUOUS')
    RETURNING s.id)
""" + BOOK.format(kind="SETTLE", moved="IN (SELECT id FROM moved)")
RELEASE = BOOK.format(kind="RELEASE", moved="= ANY(%(ids)s)")

# The SMSC said no for now: nothing of it was taken. Half of the delay is chance, so that they do not come back as one.
AGAIN = """
UPDATE sms_outboundsegment SET state = 'QUEUED', lease_until_at = NULL, not_before_at = clock_timestamp()
    + least(60, power(2, least(attempts, 6))) * (0.5 + random() / 2) * interval '1 second'
WHERE id = ANY(%(ids)s) AND state IN ('SUBMITTING', 'AMBIGUOUS')
RETURNING id
"""

# Claimed, and known not to have been written: the link went away in between.
UNWRITTEN = """
UPDATE sms_outboundsegment SET state = 'QUEUED', lease_until_at = NULL, attempts = attempts - 1
WHERE id = ANY(%(ids)s) AND state = 'SUBMITTING'
"""

ATTEMPTS = "SELECT id FROM sms_outboundsegment WHERE id = ANY(%(ids)s) AND attempts >= %(attempts_max)s"

REFUSED = """
UPDATE sms_outboundsegment s SET state = 'REFUSED', smsc_status = v.status, answered_at = clock_timestamp(),
    lease_until_at = NULL
FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, status)
WHERE s.id = v.id AND s.state IN ('SUBMITTING', 'AMBIGUOUS')
RETURNING s.id
"""

# A redelivery carries the same content within a bounded window, on any bind of the group; a person who asks again later
# asks anew.
INBOUND = """
INSERT INTO sms_inboundsms (bind_id, kind, source, destination, data_coding, esm_class, payload, digest, received_at,
    arrived_at, state, attempts, outcome, part_reference, part_total, part_number)
SELECT %(bind)s, %(kind)s, %(source)s, %(destination)s, %(data_coding)s, %(esm_class)s, %(payload)s, %(digest)s,
    clock_timestamp(), c.anchor_at + (clock_timestamp() - c.machine_anchor_at) * c.rate, 'RECEIVED', 0, '',
    %(reference)s, %(total)s, %(number)s
FROM clock_businessclock c
WHERE c.id = 1 AND NOT EXISTS (
    SELECT 1 FROM sms_inboundsms i WHERE i.bind_id = ANY(%(group)s) AND i.digest = %(digest)s
        AND i.received_at > clock_timestamp() - %(window)s * interval '1 second')
"""

# Another part with the same number but other words: the reference came round, and the older message stays incomplete.
OVERTAKEN = """
UPDATE sms_inboundsms o SET part_reference = NULL
FROM sms_inboundsms n
WHERE n.bind_id = ANY(%(group)s) AND n.digest = %(digest)s AND n.kind = 'PART' AND n.whole_id IS NULL
    AND n.received_at > clock_timestamp() - %(window)s * interval '1 second'
    AND o.bind_id = ANY(%(group)s) AND o.kind = 'PART' AND o.state = 'RECEIVED' AND o.id < n.id
    AND o.source = n.source AND o.destination = n.destination AND o.part_reference = n.part_reference
    AND o.part_total = n.part_total
    AND EXISTS (SELECT 1 FROM sms_inboundsms s WHERE s.bind_id = ANY(%(group)s) AND s.kind = 'PART'
        AND s.state = 'RECEIVED' AND s.source = n.source AND s.destination = n.destination AND s.id < n.id
        AND s.part_reference = n.part_reference AND s.part_total = n.part_total
        AND s.part_number = n.part_number AND s.digest <> n.digest)
"""

# The key of a longer message: source, destination, reference, total. It is whole when every number is there.
JOIN = """
WITH parts AS (
    SELECT * FROM sms_inboundsms
    WHERE bind_id = ANY(%(group)s) AND kind = 'PART' AND state = 'RECEIVED' AND source = %(source)s
        AND destination = %(destination)s AND part_reference = %(reference)s AND part_total = %(total)s
    ORDER BY part_number FOR UPDATE),
joined AS (
    INSERT INTO sms_inboundsms (bind_id, kind, source, destination, data_coding, esm_class, payload, digest,
        received_at, arrived_at, state, attempts, outcome)
    SELECT %(bind)s, %(whole_kind)s, %(source)s, %(destination)s, min(data_coding), 0,
        string_agg(payload, ''::bytea ORDER BY part_number), sha256(string_agg(digest, ''::bytea ORDER BY part_number)),
        max(received_at), max(arrived_at), 'RECEIVED', 0, ''
    FROM parts HAVING count(DISTINCT part_number) = %(total)s AND count(*) = %(total)s
    RETURNING id)
UPDATE sms_inboundsms i SET state = 'DONE', outcome = 'joined', whole_id = j.id
FROM joined j, parts p WHERE i.id = p.id
"""

RECEIPT = """
INSERT INTO sms_receipt (bind_id, message_ids, state, error, text, handset, short_code, done_at, received_at)
SELECT %s, r.message_ids, r.state, r.error, r.text, r.handset, r.short_code, r.done_at, clock_timestamp()
FROM jsonb_to_recordset(%s) AS r (message_ids text[], state smallint, error text, text text, handset text,
    short_code text, done_at timestamptz)
"""
