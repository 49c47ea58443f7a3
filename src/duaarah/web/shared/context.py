# SPDX-License-Identifier: Apache-2.0
"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from duaarah.clock.queries import now


def shared(request: HttpRequest) -> dict[str, Any]:
    """`now` is business time, `assets_vendor` whether the installed assets are there, `stage` whether this is a demo."""
    return {"now": now(), "assets_vendor": settings.ASSETS_VENDOR, "stage": settings.STAGE}
