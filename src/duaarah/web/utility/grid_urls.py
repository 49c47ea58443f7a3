# SPDX-License-Identifier: Apache-2.0
"""URLs of line ends and load profiles; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import voltage

grid_urls = [
    path("tegangan/", voltage.voltage, name="desk-voltage"),
    path("tegangan/<int:node>/", voltage.transformer, name="desk-voltage-transformer"),
]
