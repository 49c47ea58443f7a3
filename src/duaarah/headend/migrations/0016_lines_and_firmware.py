# SPDX-License-Identifier: Apache-2.0
"""Lines over IP, rotations over them, firmware, its roll-outs and jobs."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0015_key_rotations"),
        ("people", "0003_operatorkey"),
        ("registry", "0005_sim_shipments"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterLine",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="line",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("host", models.CharField(max_length=120)),
                ("port", models.PositiveIntegerField(default=4059)),
                ("client_sap", models.PositiveIntegerField(default=1, help_text="Of the managing client")),
                ("hdlc", models.BooleanField(default=False, help_text="HDLC frames instead of the wrapper")),
                ("held_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("set_at", models.DateTimeField(help_text="Business time")),
                ("set_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
            ],
        ),
        migrations.AddField(
            model_name="keyrotation",
            name="line_not_before_at",
            field=models.DateTimeField(help_text="Machine time", null=True),
        ),
        migrations.AddField(
            model_name="keyrotation",
            name="line_tries",
            field=models.PositiveSmallIntegerField(default=0, help_text="Over IP, without success"),
        ),
        migrations.AddField(
            model_name="maker",
            name="firmware_key",
            field=models.BinaryField(
                blank=True,
                db_default=b"",
                default=b"",
                help_text="Ed25519, public; empty: no firmware is taken",
                max_length=32,
            ),
        ),
        migrations.CreateModel(
            name="Firmware",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("profile", models.CharField(max_length=40)),
                ("version", models.CharField(help_text="As the meter says it afterwards", max_length=40)),
                ("file_name", models.CharField(max_length=200)),
                ("digest", models.BinaryField(help_text="SHA-256 of the file", max_length=32)),
                ("signature", models.BinaryField(max_length=64)),
                ("content", models.BinaryField()),
                ("octets", models.PositiveIntegerField()),
                ("taken_at", models.DateTimeField(help_text="Business time")),
                ("taken_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                (
                    "maker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="firmware", to="headend.maker"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FirmwareRollout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("RUNNING", "Running"),
                            ("PAUSED", "Paused"),
                            ("STOPPED", "Stopped"),
                            ("DONE", "Done"),
                        ],
                        max_length=10,
                    ),
                ),
                ("first", models.PositiveIntegerField()),
                ("percent", models.PositiveSmallIntegerField()),
                (
                    "failures_percent",
                    models.PositiveSmallIntegerField(help_text="More failures in a stage than this pause it"),
                ),
                ("stage", models.PositiveSmallIntegerField(default=1)),
                ("activate_at", models.DateTimeField(help_text="Business time; empty: as soon as verified", null=True)),
                ("reason", models.CharField(max_length=400)),
                ("paused_why", models.CharField(blank=True, max_length=40)),
                ("ordered_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("ordered_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("correlation", models.UUIDField()),
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
                    ),
                ),
                (
                    "firmware",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rollouts", to="headend.firmware"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FirmwareJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stage", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting for its turn"),
                            ("SENDING", "Blocks under way"),
                            ("VERIFIED", "Complete and verified by the meter"),
                            ("ACTIVATED", "Activated, version not read back yet"),
                            ("DONE", "The meter says the new version"),
                            ("FAILED", "Failed"),
                            ("STOPPED", "Stopped before it was activated"),
                        ],
                        max_length=10,
                    ),
                ),
                ("blocks", models.PositiveIntegerField(default=0, help_text="Of the whole image")),
                ("blocks_there", models.PositiveIntegerField(default=0, help_text="By the meter's own bitmap")),
                ("blocks_sent", models.PositiveIntegerField(default=0, help_text="By us, repeats counted")),
                ("tries", models.PositiveSmallIntegerField(default=0, help_text="In a row without success")),
                ("not_before_at", models.DateTimeField(help_text="Machine time")),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("version_before", models.CharField(blank=True, max_length=40)),
                ("version_after", models.CharField(blank=True, max_length=40)),
                ("result", models.CharField(blank=True, max_length=40)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="firmware_jobs", to="registry.meter"
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="jobs", to="headend.firmwarerollout"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="firmware",
            constraint=models.UniqueConstraint(fields=("profile", "digest"), name="headend_firmware_once"),
        ),
        migrations.AddConstraint(
            model_name="firmwarerollout",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["RUNNING", "PAUSED"])),
                fields=("firmware",),
                name="headend_rollout_one_open",
            ),
        ),
        migrations.AddIndex(
            model_name="firmwarejob",
            index=models.Index(
                condition=models.Q(("state__in", ["WAITING", "SENDING", "VERIFIED", "ACTIVATED"])),
                fields=["not_before_at"],
                name="headend_firmware_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="firmwarejob",
            constraint=models.UniqueConstraint(fields=("rollout", "meter"), name="headend_firmware_job_once"),
        ),
        migrations.AddConstraint(
            model_name="firmwarejob",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["WAITING", "SENDING", "VERIFIED", "ACTIVATED"])),
                fields=("meter",),
                name="headend_firmware_one_open",
            ),
        ),
    ]
