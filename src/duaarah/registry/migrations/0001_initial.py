# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0001_initial"),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name="Modem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("imei", models.CharField(max_length=16, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="NetworkNode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=40, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("SUBSTATION", "Substation"), ("FEEDER", "Feeder"), ("TRANSFORMER", "Transformer")],
                        max_length=20,
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="registry.networknode",
                    ),
                ),
                ("unit", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="people.unit")),
            ],
        ),
        migrations.CreateModel(
            name="Meter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("drn", models.CharField(max_length=13, unique=True)),
                ("pan", models.CharField(max_length=18, unique=True)),
                ("profile", models.CharField(max_length=40)),
                ("zone", models.CharField(default="Asia/Jakarta", max_length=40)),
                ("tariff_group", models.CharField(max_length=10)),
                ("region", models.CharField(max_length=40)),
                ("contracted_va", models.PositiveIntegerField()),
                ("low_credit_threshold_wh", models.PositiveIntegerField()),
                ("system_title", models.BinaryField(max_length=8, unique=True)),
                ("dlms_keys_wrapped", models.BinaryField(max_length=200)),
                ("sts_register", models.CharField(max_length=40)),
                ("sgc", models.CharField(max_length=6)),
                ("ti", models.CharField(max_length=2)),
                ("krn", models.PositiveSmallIntegerField()),
                ("kt", models.PositiveSmallIntegerField()),
                ("ken", models.PositiveSmallIntegerField()),
                (
                    "base_date",
                    models.PositiveSmallIntegerField(help_text="Year of the STS base date: 1993, 2014 or 2035"),
                ),
                ("dkga", models.CharField(max_length=2)),
                ("ea", models.CharField(max_length=2)),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="meters",
                        to="people.customer",
                    ),
                ),
                (
                    "transformer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="meters",
                        to="registry.networknode",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Sim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("iccid", models.CharField(max_length=20, unique=True)),
                ("msisdn", models.CharField(max_length=15, unique=True)),
                ("operator", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="people.organisation")),
            ],
        ),
        migrations.CreateModel(
            name="Pairing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", models.CharField(max_length=15)),
                ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="pairings", to="registry.meter"
                    ),
                ),
                (
                    "modem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="pairings", to="registry.modem"
                    ),
                ),
                (
                    "sim",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="pairings", to="registry.sim"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["phone"], name="registry_pairing_phone")],
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("meter", "="), ("valid", "&&")], name="registry_pairing_meter"
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("sim", "="), ("valid", "&&")], name="registry_pairing_sim"
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("modem", "="), ("valid", "&&")], name="registry_pairing_modem"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Site",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("alias", models.CharField(max_length=12)),
                ("name", models.CharField(max_length=120)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("HOME", "Home"),
                            ("BTS", "BTS tower"),
                            ("BILLBOARD", "Billboard"),
                            ("ATM", "ATM kiosk"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="sites", to="people.accountholder"
                    ),
                ),
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="site", to="registry.meter"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("holder", "alias"), name="registry_site_alias")],
            },
        ),
    ]
