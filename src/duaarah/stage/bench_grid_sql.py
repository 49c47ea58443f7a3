# SPDX-License-Identifier: Apache-2.0
"""The questions of `bench grid` as a person would write them for DuckDB alone: what the expressions are measured against."""

from __future__ import annotations

import datetime as dt

from duaarah.stage.bench_grid_data import FIRST_DATE, Utility

YEAR = (dt.date(FIRST_DATE.year, 1, 1), dt.date(FIRST_DATE.year, 12, 31))

PROFILE = """
with c as (select n.feeder_id as g, r.ts, sum(r.energy_wh) as wh
           from {readings} r join {network} n using (meter_id)
           where n.role = 'customer' and energy_wh is not null group by all),
     p as (select g, sum(wh) / 1000 as kwh, max(wh) as peak, arg_max(ts, wh) as peak_ts,
                  epoch(max(ts) - min(ts)) / 3600 + 0.25 as hours from c group by g),
     m as (select meter_id, max(energy_wh) as own from {readings} group by meter_id),
     o as (select n.feeder_id as g, sum(m.own) as own from m join {network} n using (meter_id)
           where n.role = 'customer' group by 1)
select p.g as "group", kwh as energy_kwh, peak_ts, peak * 0.004 as peak_kw, kwh / (peak * 0.004 * hours) as load_factor,
       peak / own as coincidence, own / peak as diversity
from p join o using (g)
"""
LOSSES = """
with m as (select meter_id, count(*) as n, sum(energy_wh) as wh from {readings} group by meter_id),
     t as (select transformer_id, sum(wh) filter (role = 'total') / 1000 as input_kwh,
                  sum(wh) filter (role = 'customer') / 1000 as sold_kwh, sum(n)::bigint as rows
           from m join {network} using (meter_id) group by transformer_id)
select *, input_kwh - sold_kwh as loss_kwh, 100 * (input_kwh - sold_kwh) / input_kwh as loss_pct from t
"""
EVENING = "ts > '{date} 11:00:00+00' and ts <= '{date} 15:00:00+00'"
PHASES = """
with m as (select meter_id, count(voltage_v) as n, count(*) filter (voltage_v < 198) as low,
                  count(*) filter (voltage_v > 231) as high from {readings} group by meter_id),
     w as (select transformer_id, phase, count(*) as meters, sum(n)::bigint as intervals, sum(low)::bigint as below,
                  sum(high)::bigint as above, count(*) filter (low > 0) as low_meters
           from m join {network} using (meter_id) where role = 'customer' and n > 0 group by all),
     e as (select transformer_id, phase, count(*) as evening_intervals, quantile_cont(voltage_v, 0.01) as evening_p1_v,
                  quantile_cont(voltage_v, 0.05) as evening_p5_v, quantile_cont(voltage_v, 0.5) as evening_median_v,
                  min(voltage_v) as evening_min_v
           from {readings} join {network} using (meter_id)
           where role = 'customer' and voltage_v is not null and {evening} group by all)
select w.*, coalesce(evening_intervals, 0) as evening_intervals, evening_p1_v, evening_p5_v, evening_median_v, evening_min_v
from w left join e using (transformer_id, phase)
"""
LOWEST = """
with e as (select meter_id, ts, voltage_v from {readings} where voltage_v is not null and {evening}),
     m as (select meter_id, min(voltage_v) as min_v, arg_min(ts, (voltage_v, ts)) as ts,
                  quantile_cont(voltage_v, 0.05) as p5_v, count(*) filter (voltage_v < 198) as below, count(*) as intervals
           from e group by meter_id)
select transformer_id, phase, row_number() over (partition by transformer_id, phase order by min_v, meter_id) as place,
       meter_id, min_v, ts, p5_v, below, intervals
from m join {network} using (meter_id) where role = 'customer' qualify place <= 3
"""
SAIDI = """
with f as (select meter_id, began_at, ended_at,
                  max(ended_at) over (partition by meter_id order by began_at, ended_at
                                      rows between unbounded preceding and 1 preceding) as latest
           from {outages} where ended_at is not null),
     i as (select *, sum(case when latest is null or began_at > latest then 1 else 0 end)
                     over (partition by meter_id order by began_at, ended_at) as island from f),
     w as (select meter_id, island, min(began_at) as began_at, max(ended_at) as ended_at from i group by all),
     d as (select (began_at at time zone 'Asia/Jakarta')::date as day, epoch_us(ended_at) - epoch_us(began_at) as us from w)
select day - date '1970-01-01' as day, count(*) filter (us > 300000000) as ci,
       coalesce(sum(us) filter (us > 300000000), 0)::bigint as cm_us, count(*) filter (us <= 300000000) as momentary
from d where day between date '{first}' and date '{last}' group by 1
"""
TEXTS = {"profile": (PROFILE,), "losses": (LOSSES,), "voltage": (PHASES, LOWEST), "saidi": (SAIDI,)}


def questions(name: str, utility: Utility) -> list[str]:
    """The SQL of a measure over the first day's file, or the year's outages."""
    places = {
        "readings": f"read_parquet('{utility.days[0]}')",
        "network": f"read_parquet('{utility.network}')",
        "outages": f"read_parquet('{utility.outages}')",
        "evening": EVENING.format(date=FIRST_DATE),
        "first": YEAR[0],
        "last": YEAR[1],
    }
    return [text.format(**places) for text in TEXTS[name]]
