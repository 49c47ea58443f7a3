# SPDX-License-Identifier: Apache-2.0
"""The statements behind the daily facts: set-based, one for a whole range of days."""

LOCK = "SELECT pg_advisory_xact_lock(7366001)"

# Where a node counts: at itself and each node above it, at the nearest unit and the units above that.
SCOPES = """
CREATE TEMP TABLE reliability_scope ON COMMIT DROP AS
WITH RECURSIVE up AS (
    SELECT id AS leaf, id, kind, parent_id, unit_id, 0 AS depth FROM registry_networknode
    UNION ALL
    SELECT up.leaf, n.id, n.kind, n.parent_id, n.unit_id, up.depth + 1
    FROM up JOIN registry_networknode n ON n.id = up.parent_id WHERE up.depth < 9
), nearest AS (
    SELECT DISTINCT ON (leaf) leaf, unit_id FROM up WHERE unit_id IS NOT NULL ORDER BY leaf, depth
), units AS (
    SELECT n.leaf, u.id, u.parent_id, 0 AS depth FROM nearest n JOIN people_unit u ON u.id = n.unit_id
    UNION ALL
    SELECT units.leaf, u.id, u.parent_id, units.depth + 1
    FROM units JOIN people_unit u ON u.id = units.parent_id WHERE units.depth < 9
)
SELECT leaf, kind AS scope, id::bigint AS scope_id FROM up
UNION ALL SELECT leaf, 'UNIT', id FROM units
UNION ALL SELECT id, 'UTILITY', 0 FROM registry_networknode
UNION ALL SELECT 0, 'UTILITY', 0
"""

# Of meters that never were paired (no SIM) the registry has no span: they count on every day.
SERVED = """
CREATE TEMP TABLE reliability_served ON COMMIT DROP AS
SELECT s.scope, s.scope_id, count(DISTINCT m.customer_id) AS served
FROM registry_meter m JOIN reliability_scope s ON s.leaf = coalesce(m.transformer_id, 0)
WHERE m.customer_id IS NOT NULL
  AND (NOT EXISTS (SELECT FROM registry_pairing p WHERE p.meter_id = m.id)
    OR EXISTS (SELECT FROM registry_pairing p WHERE p.meter_id = m.id AND p.valid && tstzrange(
        %(day)s::date::timestamp AT TIME ZONE m.zone, (%(day)s::date + 1)::timestamp AT TIME ZONE m.zone)))
  AND NOT EXISTS (SELECT FROM registry_nodemeter t WHERE t.meter_id = m.id AND t.valid && tstzrange(
        %(day)s::date::timestamp AT TIME ZONE m.zone, (%(day)s::date + 1)::timestamp AT TIME ZONE m.zone))
GROUP BY 1, 2
"""

SERVED_CLOSE = """
UPDATE analytics_servedcustomers f SET superseded_at = %(now)s
WHERE f.date = %(day)s AND f.superseded_at IS NULL AND NOT EXISTS (
    SELECT FROM reliability_served n WHERE (n.scope, n.scope_id, n.served) = (f.scope, f.scope_id, f.served))
"""

SERVED_WRITE = """
INSERT INTO analytics_servedcustomers (date, scope, scope_id, served, how, version, counted_at)
SELECT %(day)s, n.scope, n.scope_id, n.served, %(how)s, coalesce(v.version, 0) + 1, %(now)s
FROM reliability_served n
LEFT JOIN (
    SELECT scope, scope_id, max(version) AS version, bool_or(superseded_at IS NULL) AS current
    FROM analytics_servedcustomers WHERE date = %(day)s GROUP BY 1, 2) v USING (scope, scope_id)
WHERE v.current IS NOT TRUE
"""

# One row a meter and event: its pieces are summed (step restoration), its day is that of its first piece.
PIECES = """
CREATE TEMP TABLE reliability_piece ON COMMIT DROP AS
SELECT m.customer_id, i.meter_id, coalesce(m.transformer_id, 0) AS leaf, coalesce(i.outage_id, -i.id) AS event, i.cause,
    i.excluded <> '' OR x.id IS NOT NULL AS excluded, i.ended_at IS NULL AS open, i.began_at,
    (extract(epoch FROM greatest(coalesce(i.ended_at, %(now)s), i.began_at) - i.began_at) * 1000000)::bigint AS us,
    (min(i.began_at) OVER (PARTITION BY i.meter_id, coalesce(i.outage_id, -i.id)) AT TIME ZONE m.zone)::date AS date
FROM outages_interruption i JOIN registry_meter m ON m.id = i.meter_id
LEFT JOIN analytics_exclusion x ON x.meter_id = i.meter_id AND x.began_at = i.began_at
WHERE i.superseded_at IS NULL AND m.customer_id IS NOT NULL
  AND i.began_at >= %(first)s::date - interval '3 days' AND i.began_at < %(last)s::date + interval '4 days'
  AND NOT EXISTS (SELECT FROM registry_nodemeter t WHERE t.meter_id = m.id AND t.valid @> i.began_at)
"""

FACTS = """
CREATE TEMP TABLE reliability_fact ON COMMIT DROP AS
WITH event AS (
    SELECT customer_id, meter_id, leaf, event, cause, excluded, min(date) AS date,
        coalesce(sum(us) FILTER (WHERE us > 300000000), 0)::bigint AS us,
        count(*) FILTER (WHERE us <= 300000000) AS operations, bool_or(open AND us > 300000000) AS open
    FROM reliability_piece WHERE date BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 3, 4, 5, 6
), customer AS (
    SELECT s.scope, s.scope_id, e.date, e.cause, e.excluded, e.customer_id, e.event,
        max(e.us) AS us, max(e.operations) AS operations, bool_or(e.open) AS open
    FROM event e JOIN reliability_scope s ON s.leaf = e.leaf GROUP BY 1, 2, 3, 4, 5, 6, 7
), meter_day AS (
    SELECT customer_id, leaf, meter_id, date, cause, CASE WHEN count(*) = 1 THEN count(*) FILTER (WHERE us <= 300000000)
        ELSE analytics_momentary_events(array_agg(began_at ORDER BY began_at), array_agg(us ORDER BY began_at)) END AS events
    FROM reliability_piece WHERE date BETWEEN %(first)s AND %(last)s AND NOT excluded
    GROUP BY 1, 2, 3, 4, 5 HAVING bool_or(us <= 300000000)
), momentary AS (
    SELECT scope, scope_id, date, cause, sum(events) AS events FROM (
        SELECT s.scope, s.scope_id, d.date, d.cause, d.customer_id, max(d.events) AS events
        FROM meter_day d JOIN reliability_scope s ON s.leaf = d.leaf GROUP BY 1, 2, 3, 4, 5) AS own
    GROUP BY 1, 2, 3, 4
)
SELECT c.scope, c.scope_id, c.date, c.cause,
    count(*) FILTER (WHERE us > 0 AND NOT excluded) AS ci,
    coalesce(sum(us) FILTER (WHERE NOT excluded), 0)::bigint AS interrupted_us,
    coalesce(sum(operations) FILTER (WHERE NOT excluded), 0)::bigint AS momentary,
    coalesce(max(m.events), 0)::bigint AS momentary_events,
    count(*) FILTER (WHERE us > 0 AND excluded) AS excluded_ci,
    coalesce(sum(us) FILTER (WHERE excluded), 0)::bigint AS excluded_us,
    count(*) FILTER (WHERE open AND NOT excluded) AS open_ci
FROM customer c LEFT JOIN momentary m USING (scope, scope_id, date, cause)
GROUP BY 1, 2, 3, 4
"""

_SAME = """(n.scope, n.scope_id, n.date, n.cause, n.ci, n.interrupted_us, n.momentary, n.momentary_events, n.excluded_ci,
    n.excluded_us, n.open_ci) = (f.scope, f.scope_id, f.date, f.cause, f.ci, f.interrupted_us, f.momentary,
    f.momentary_events, f.excluded_ci, f.excluded_us, f.open_ci)"""

FACTS_CLOSE = f"""
UPDATE analytics_dailyreliability f SET superseded_at = %(now)s
WHERE f.date BETWEEN %(first)s AND %(last)s AND f.superseded_at IS NULL
  AND NOT EXISTS (SELECT FROM reliability_fact n WHERE {_SAME})
"""

FACTS_WRITE = """
INSERT INTO analytics_dailyreliability (date, scope, scope_id, cause, ci, interrupted_us, momentary, momentary_events,
    excluded_ci, excluded_us, open_ci, version, computed_at)
SELECT n.date, n.scope, n.scope_id, n.cause, n.ci, n.interrupted_us, n.momentary, n.momentary_events, n.excluded_ci,
    n.excluded_us, n.open_ci, coalesce(v.version, 0) + 1, %(now)s
FROM reliability_fact n
LEFT JOIN (
    SELECT scope, scope_id, date, cause, max(version) AS version, bool_or(superseded_at IS NULL) AS current
    FROM analytics_dailyreliability WHERE date BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 3, 4) v
    USING (scope, scope_id, date, cause)
WHERE v.current IS NOT TRUE
"""

# Days that a version of an interruption or an exclusion touched since then, and days with somebody still off.
CHANGED = """
SELECT DISTINCT (i.began_at AT TIME ZONE m.zone)::date
FROM outages_interruption i JOIN registry_meter m ON m.id = i.meter_id
WHERE i.recorded_at >= %(since)s OR i.superseded_at >= %(since)s OR (i.superseded_at IS NULL AND i.ended_at IS NULL)
UNION SELECT date FROM analytics_dailyreliability WHERE superseded_at IS NULL AND open_ci > 0
UNION SELECT (x.began_at AT TIME ZONE m.zone)::date
FROM analytics_exclusion x JOIN registry_meter m ON m.id = x.meter_id WHERE x.made_at >= %(since)s
"""

# What each customer had in a scope and span: sustained, momentary events, longest and total microseconds.
CUSTOMERS = """
WITH piece AS (
    SELECT p.* FROM reliability_piece p JOIN reliability_scope s ON s.leaf = p.leaf
    WHERE s.scope = %(scope)s AND s.scope_id = %(scope_id)s AND NOT p.excluded
      AND p.date BETWEEN %(first)s AND %(last)s AND p.cause = ANY(%(causes)s) AND p.date <> ALL(%(without)s::date[])
), event AS (
    SELECT customer_id, event, max(us) AS us FROM (
        SELECT customer_id, event, meter_id, coalesce(sum(us) FILTER (WHERE us > 300000000), 0)::bigint AS us
        FROM piece GROUP BY 1, 2, 3) AS meters
    GROUP BY 1, 2
), momentary AS (
    SELECT customer_id, max(events) AS events FROM (
        SELECT customer_id, meter_id, analytics_momentary_events(
            array_agg(began_at ORDER BY began_at), array_agg(us ORDER BY began_at)) AS events
        FROM piece GROUP BY 1, 2 HAVING bool_or(us <= 300000000)) AS meters
    GROUP BY 1
)
SELECT sustained, momentary, longest_us, total_us, count(*) FROM (
    SELECT e.customer_id, count(*) FILTER (WHERE us > 0) AS sustained, coalesce(max(m.events), 0) AS momentary,
        max(us) AS longest_us, sum(us)::bigint AS total_us
    FROM event e LEFT JOIN momentary m USING (customer_id) GROUP BY 1) AS customers
GROUP BY 1, 2, 3, 4
"""
