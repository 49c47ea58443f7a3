# SPDX-License-Identifier: Apache-2.0
"""The statements of the links worker, by name."""

BINDS = "SELECT * FROM sms_bind WHERE active ORDER BY id"
LOCK = "SELECT pg_try_advisory_lock(%s, %s) AS locked"
BIND_STATE = "UPDATE sms_bind SET state = %s, state_reason = %s, state_at = clock_timestamp() WHERE id = %s"

# Claimed means that it may be on the wire: a row that was claimed and never answered is ambiguous, never simply retried.
CLAIM = """
UPDATE sms_outboundsegment SET state = 'SUBMITTING', attempts = attempts + 1, submitted_at = clock_timestamp(),
    lease_until_at = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id IN (SELECT id FROM sms_outboundsegment
             WHERE bind_id = %(bind)s AND state = 'QUEUED' AND not_before_at <= clock_timestamp()
             ORDER BY priority, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, priority, source, destination, payload, data_coding, esm_class, validity_s, registered, correlation
"""

ACCEPTED = """
UPDATE sms_outboundsegment s SET state = 'ACCEPTED', smsc_message_id = v.message_id, smsc_status = 0,
    answered_at = clock_timestamp(), lease_until_at = NULL
FROM unnest(%s::bigint[], %s::text[]) AS v (id, message_id)
WHERE s.id = v.id AND s.state IN ('SUBMITTING', 'AMBIGUOUS')
"""

_BOOK = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT '{kind}', e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, e.at, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = ANY(%(ids)s)
ON CONFLICT DO NOTHING
"""
SETTLE = _BOOK.format(kind="SETTLE")
RELEASE = _BOOK.format(kind="RELEASE")

AGAIN = """
UPDATE sms_outboundsegment SET state = 'QUEUED', lease_until_at = NULL,
    not_before_at = clock_timestamp() + least(60, power(2, attempts)) * interval '1 second'
WHERE id = ANY(%(ids)s) AND state = 'SUBMITTING'
"""

REFUSED = """
UPDATE sms_outboundsegment s SET state = 'REFUSED', smsc_status = v.status, answered_at = clock_timestamp(),
    lease_until_at = NULL
FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, status) WHERE s.id = v.id
"""

# A redelivery carries the same content within a bounded window; a person who asks again later asks anew.
INBOUND = """
INSERT INTO sms_inboundsms (bind_id, kind, source, destination, data_coding, esm_class, payload, digest, received_at,
    arrived_at, state, attempts, outcome)
SELECT %(bind)s, %(kind)s, %(source)s, %(destination)s, %(data_coding)s, %(esm_class)s, %(payload)s, %(digest)s,
    clock_timestamp(), c.anchor_at + (clock_timestamp() - c.machine_anchor_at) * c.rate, 'RECEIVED', 0, ''
FROM clock_businessclock c
WHERE c.id = 1 AND NOT EXISTS (
    SELECT 1 FROM sms_inboundsms i WHERE i.bind_id = %(bind)s AND i.digest = %(digest)s
        AND i.received_at > clock_timestamp() - %(window)s * interval '1 second')
"""

RECEIPT = """
INSERT INTO sms_receipt (bind_id, message_ids, state, error, text, received_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
"""
