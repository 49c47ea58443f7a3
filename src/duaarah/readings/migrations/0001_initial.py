# SPDX-License-Identifier: Apache-2.0
"""The landing table, partitioned by the month of the interval before its first row."""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
ALTER TABLE readings_interval RENAME TO readings_interval_plain;
CREATE TABLE readings_interval (LIKE readings_interval_plain INCLUDING DEFAULTS INCLUDING IDENTITY)
    PARTITION BY RANGE (start_at);
DROP TABLE readings_interval_plain;
ALTER TABLE readings_interval ADD PRIMARY KEY (id, start_at),
    ADD FOREIGN KEY (meter_id) REFERENCES registry_meter DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT readings_interval_once UNIQUE (meter_id, start_at, channel, period_s, value, status);
CREATE TABLE readings_interval_default PARTITION OF readings_interval DEFAULT;
SELECT duaarah_make_month('readings_interval'::regclass, m.start::date)
FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month',
                     date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', interval '1 month') AS m (start);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("registry", "0005_sim_shipments"), ("audit", "0002_append_only")]
    operations = [
        migrations.CreateModel(
            name="IntervalValue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(help_text="Such as energy_wh; its unit ends the name", max_length=32)),
                (
                    "start_at",
                    models.DateTimeField(help_text="Begin of the interval by the meter's clock; the partition key"),
                ),
                ("period_s", models.PositiveIntegerField()),
                ("value", models.BigIntegerField()),
                ("status", models.PositiveIntegerField(help_text="The meter's own status bits, 0 = good")),
                (
                    "counter",
                    models.BigIntegerField(
                        help_text="The latest frame that said so: with the meter it names the event"
                    ),
                ),
                ("arrived_at", models.DateTimeField(help_text="Business time of that frame")),
                (
                    "meter",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"
                    ),
                ),
            ],
            options={"db_table": "readings_interval"},
        ),
        migrations.AddConstraint(
            model_name="intervalvalue",
            constraint=models.UniqueConstraint(
                fields=("meter", "start_at", "channel", "period_s", "value", "status"), name="readings_interval_once"
            ),
        ),
        migrations.RunSQL(SQL),
    ]
