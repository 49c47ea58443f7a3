# SPDX-License-Identifier: Apache-2.0
"""Sets values in a process that kills itself: `-m tests.analytics.vee.killable_edit POINT METER LOGIN`."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")


def main(point: str, meter_id: int, login_id: int) -> None:
    django.setup()
    from duaarah.analytics.vee import edits
    from duaarah.people.models import Login
    from duaarah.registry.models import Meter

    noted = edits.audit.record

    def die(**words: object) -> None:
        if point == "commit":
            noted(**words)  # type: ignore[arg-type]
            edits.QualityDay.objects.update(source="")
        os.kill(os.getpid(), signal.SIGKILL)

    edits.audit.record = die  # type: ignore[assignment]
    at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    now = at + dt.timedelta(days=2)
    values = {at + dt.timedelta(minutes=15) * n: edits.Set(energy_wh=1.0, former_wh=None) for n in range(1, 5)}
    edits.set_values(
        meter=Meter.objects.get(pk=meter_id), values=values, reason="x", login=Login.objects.get(pk=login_id), now=now
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
