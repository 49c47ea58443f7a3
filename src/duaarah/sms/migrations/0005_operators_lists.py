# SPDX-License-Identifier: Apache-2.0
"""Indexes of what operators look at: open purchases, segments of unknown outcome, SMS that were given up."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
        ("sms", "0004_no_truncate"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="inboundsms",
            index=models.Index(condition=models.Q(("state", "FAILED")), fields=["id"], name="sms_inbound_failed"),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(condition=models.Q(("state", "AMBIGUOUS")), fields=["id"], name="sms_segment_ambiguous"),
        ),
    ]
