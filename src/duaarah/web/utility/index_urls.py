# SPDX-License-Identifier: Apache-2.0
"""URLs of reliability and TMP; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import reliability, tmp

index_urls = [
    path("keandalan/", reliability.reliability, name="desk-reliability"),
    path("keandalan/kecualikan/", reliability.ask, name="desk-exclude"),
    path("keandalan/kecualikan/<int:approval>/", reliability.decide, name="desk-exclude-decide"),
    path("tmp/", tmp.tmp_page, name="desk-tmp"),
    path("tmp/deklarasi/", tmp.declare, name="desk-tmp-declare"),
    path("tmp/tutup/", tmp.propose, name="desk-tmp-propose"),
    path("tmp/<int:month>/", tmp.month_page, name="desk-tmp-month"),
    path("tmp/<int:month>/putuskan/", tmp.decide, name="desk-tmp-decide"),
]
