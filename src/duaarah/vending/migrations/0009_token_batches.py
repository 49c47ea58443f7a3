# SPDX-License-Identifier: Apache-2.0
"""Files of tokens sold elsewhere, offers, phones of one-way meters, corrections, and standing approvals of key changes."""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
CREATE TRIGGER vending_tokenoffer_append_only BEFORE UPDATE OR DELETE ON vending_tokenoffer
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_tokenoffer_no_truncate BEFORE TRUNCATE ON vending_tokenoffer
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER vending_tokenoffer_append_only ON vending_tokenoffer;
DROP TRIGGER vending_tokenoffer_no_truncate ON vending_tokenoffer;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_append_only"),
        ("headend", "0018_kinds"),
        ("people", "0003_operatorkey"),
        ("registry", "0006_sim_expiry"),
        ("vending", "0008_ledger"),
    ]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ASKING", "The meter is asked to give up the token"),
                            ("DONE", "The money is back"),
                            ("MOVING", "Taken back, to be bought for the right meter"),
                            ("MOVED", "Bought for the right meter"),
                            ("NOT_MOVED", "Taken back; not bought for the other meter"),
                            ("TOO_LATE", "The meter had loaded the token"),
                            ("UNSURE", "Only a person can say whether the meter had loaded it"),
                            ("FAILED", "Not taken back"),
                        ],
                        max_length=9,
                    ),
                ),
                ("made_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "code",
                    models.CharField(blank=True, help_text="Why it did not come to what was asked for", max_length=30),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyRoll",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("register", models.CharField(help_text="That is left behind", max_length=40)),
                ("target", models.JSONField(help_text="KeyTerms of the new key, without the meter's tariff index")),
                ("begun_at", models.DateTimeField(help_text="Business time")),
                ("ended_at", models.DateTimeField(help_text="Business time; what is under way goes on", null=True)),
                ("ended_by", models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name="TokenBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "batch_id",
                    models.CharField(
                        blank=True, help_text="The channel's own; empty where it cannot be read", max_length=40
                    ),
                ),
                ("of_date", models.DateField(help_text="The day that the file says it is of", null=True)),
                ("file_name", models.CharField(max_length=120)),
                ("digest", models.BinaryField(help_text="SHA-256 of the file", max_length=32)),
                ("count", models.PositiveIntegerField(default=0)),
                ("sum_idr", models.PositiveBigIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Rows are being loaded"),
                            ("DONE", "Every row has its outcome"),
                            ("REFUSED", "Refused whole"),
                        ],
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, help_text="Why it was refused whole", max_length=30)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("brought_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("received_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("filed", models.BooleanField(default=False, help_text="The file is put away, its result beside it")),
            ],
        ),
        migrations.CreateModel(
            name="TokenBatchRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line", models.PositiveIntegerField(help_text="Of the file, from 1")),
                ("notification_id", models.CharField(max_length=64)),
                ("drn", models.CharField(max_length=13)),
                ("idpel", models.CharField(blank=True, max_length=12)),
                ("digits", models.CharField(max_length=20)),
                ("amount_idr", models.PositiveBigIntegerField()),
                ("sold_at", models.CharField(blank=True, help_text="As the channel wrote it", max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waits for its turn"),
                            ("TAKEN", "Taken: loads itself"),
                            ("REPEATED", "Known before: nothing was loaded again"),
                            ("REFUSED", "Refused"),
                        ],
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, help_text="Why it was refused", max_length=30)),
            ],
        ),
        migrations.CreateModel(
            name="TokenOffer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("round", models.PositiveSmallIntegerField()),
                (
                    "why",
                    models.CharField(
                        choices=[
                            ("HEARD", "The meter was heard again"),
                            ("BOUGHT", "A newer token was bought"),
                            ("SCHEDULED", "It was time"),
                        ],
                        max_length=9,
                    ),
                ),
                ("at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="TokenPhone",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="token_phone",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("phone", models.CharField(help_text="Canonical: 62...", max_length=15)),
                ("set_at", models.DateTimeField(help_text="Business time")),
                ("set_by", models.CharField(max_length=60)),
            ],
        ),
        migrations.AlterField(
            model_name="keychange",
            name="approval",
            field=models.OneToOneField(
                help_text="Of this meter alone, or",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="people.approval",
            ),
        ),
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(condition=models.Q(("state", "ISSUED")), fields=["meter"], name="vending_unloaded"),
        ),
        migrations.AddField(
            model_name="correction",
            name="approval",
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="people.approval"),
        ),
        migrations.AddField(
            model_name="correction",
            name="command",
            field=models.OneToOneField(
                help_text="Carries the blank token",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="correction",
                to="headend.command",
            ),
        ),
        migrations.AddField(
            model_name="correction",
            name="new_vend",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="moved_from", to="vending.vend"
            ),
        ),
        migrations.AddField(
            model_name="correction",
            name="to_meter",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
            ),
        ),
        migrations.AddField(
            model_name="correction",
            name="vend",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="corrections", to="vending.vend"
            ),
        ),
        migrations.AddField(
            model_name="keyroll",
            name="approval",
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="people.approval"),
        ),
        migrations.AddField(
            model_name="keychange",
            name="roll",
            field=models.ForeignKey(
                help_text="a standing one",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="changes",
                to="vending.keyroll",
            ),
        ),
        migrations.AddConstraint(
            model_name="keychange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approval__isnull", False), ("roll", None)),
                    models.Q(("approval", None), ("roll__isnull", False)),
                    _connector="OR",
                ),
                name="vending_key_change_approved",
            ),
        ),
        migrations.AddField(
            model_name="tokenbatch",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="token_batches", to="vending.channel"
            ),
        ),
        migrations.AddField(
            model_name="tokenbatchrow",
            name="batch",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rows", to="vending.tokenbatch"
            ),
        ),
        migrations.AddField(
            model_name="tokenbatchrow",
            name="vend",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="batch_rows", to="vending.vend"
            ),
        ),
        migrations.AddField(
            model_name="tokenoffer",
            name="vend",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="offers", to="vending.vend"
            ),
        ),
        migrations.AddIndex(
            model_name="correction",
            index=models.Index(
                condition=models.Q(("state__in", ["ASKING", "MOVING"])), fields=["id"], name="vending_correction_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="correction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["FAILED", "TOO_LATE"]), _negated=True),
                fields=("vend",),
                name="vending_correction_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="keyroll",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("register",), name="vending_one_roll"
            ),
        ),
        migrations.AddIndex(
            model_name="tokenbatch",
            index=models.Index(condition=models.Q(("state", "WAITING")), fields=["id"], name="vending_batch_waiting"),
        ),
        migrations.AddConstraint(
            model_name="tokenbatch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "REFUSED"), _negated=True),
                fields=("channel", "batch_id"),
                name="vending_batch_once",
            ),
        ),
        migrations.AddIndex(
            model_name="tokenbatchrow",
            index=models.Index(
                condition=models.Q(("state", "WAITING")), fields=["batch", "line"], name="vending_batch_row_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenbatchrow",
            constraint=models.UniqueConstraint(fields=("batch", "line"), name="vending_batch_line_once"),
        ),
        migrations.AddConstraint(
            model_name="tokenbatchrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["TAKEN", "REPEATED"]), ("vend__isnull", False)),
                    models.Q(("state__in", ["WAITING", "REFUSED"]), ("vend", None)),
                    _connector="OR",
                ),
                name="vending_batch_row_vend",
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenoffer",
            constraint=models.UniqueConstraint(fields=("vend", "round"), name="vending_offer_once"),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
