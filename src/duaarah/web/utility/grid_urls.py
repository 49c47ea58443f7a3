# SPDX-License-Identifier: Apache-2.0
"""URLs of line ends and load profiles; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import meter_profile, nodes, profiles, quality, voltage

grid_urls = [
    path("gardu/<str:code>/", nodes.transformer, name="desk-transformer"),
    path("penyulang/<str:code>/", nodes.feeder, name="desk-feeder"),
    path("tegangan/", voltage.voltage, name="desk-voltage"),
    path("tegangan/<int:node>/", voltage.transformer, name="desk-voltage-transformer"),
    path("profil/", profiles.profiles, name="desk-profiles"),
    path("meter/<str:drn>/profil/", meter_profile.meter_profile, name="desk-meter-profile"),
    path("meter/<str:drn>/mutu/", quality.quality, name="desk-meter-quality"),
    path("meter/<str:drn>/mutu/sunting/", quality.edit, name="desk-meter-quality-edit"),
    path("meter/<str:drn>/mutu/<int:edit>/batal/", quality.undo, name="desk-meter-quality-undo"),
]
