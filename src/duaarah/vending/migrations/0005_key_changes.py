# SPDX-License-Identifier: Apache-2.0
"""Key changes of single meters, their tokens, and purchases that wait for the end of one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0005_key_commands"),
        ("people", "0002_apikey"),
        ("registry", "0001_initial"),
        ("vending", "0004_operators_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "request_id",
                    models.UUIDField(help_text="Idempotency key; the commands' ids grow from it", unique=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ORDERED", "Approved, tokens to be made"),
                            ("LOADING", "Parts of the new key under way"),
                            ("CLOSING", "Last part sent, the new key to be proven"),
                            ("CHANGED", "The meter has proven its new key"),
                            ("FAILED", "The meter kept its old key"),
                            ("WITHDRAWN", "Withdrawn before the last part"),
                        ],
                        max_length=10,
                    ),
                ),
                ("correlation", models.UUIDField(unique=True)),
                ("old", models.JSONField(help_text="The key configuration before, every field of KeyTerms")),
                ("new", models.JSONField(help_text="The key configuration after")),
                ("rollover", models.BooleanField(help_text="RO: the meter clears its TID store")),
                (
                    "proof_tid",
                    models.PositiveIntegerField(help_text="Of the token without energy that proves the new key"),
                ),
                ("proof_rnd", models.PositiveSmallIntegerField()),
                ("round", models.PositiveSmallIntegerField(default=1, help_text="How often the whole set was begun")),
                ("ordered_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("result", models.CharField(blank=True, help_text="Why it failed", max_length=30)),
                ("obtain_attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "obtain_not_before_at",
                    models.DateTimeField(help_text="Machine time: when the sweeper may ask for the tokens again"),
                ),
                ("approval", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="people.approval")),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="key_changes", to="registry.meter"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="vend",
            name="waits_for",
            field=models.ForeignKey(
                help_text="No token before it is known which key the meter has",
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="vending.keychange",
            ),
        ),
        migrations.CreateModel(
            name="KeyChangePart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.CharField(max_length=5)),
                ("digits", models.CharField(max_length=20)),
                ("tries", models.PositiveSmallIntegerField(default=0, help_text="How many commands carried it")),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="parts", to="vending.keychange"
                    ),
                ),
                (
                    "command",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="key_part",
                        to="headend.command",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="keychange",
            index=models.Index(fields=["meter", "id"], name="vending_keychange_meter"),
        ),
        migrations.AddConstraint(
            model_name="keychange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["ORDERED", "LOADING", "CLOSING"])),
                fields=("meter",),
                name="vending_one_key_change",
            ),
        ),
        migrations.AddConstraint(
            model_name="keychangepart",
            constraint=models.UniqueConstraint(fields=("change", "step"), name="vending_key_part_once"),
        ),
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(
                fields=["waits_for"], name="vending_waiting", condition=models.Q(waits_for__isnull=False)
            ),
        ),
    ]
