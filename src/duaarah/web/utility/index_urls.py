# SPDX-License-Identifier: Apache-2.0
"""URLs of reliability and TMP; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import reliability

index_urls = [
    path("keandalan/", reliability.reliability, name="desk-reliability"),
    path("keandalan/kecualikan/", reliability.ask, name="desk-exclude"),
    path("keandalan/kecualikan/<int:approval>/", reliability.decide, name="desk-exclude-decide"),
]
