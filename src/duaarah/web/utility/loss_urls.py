# SPDX-License-Identifier: Apache-2.0
"""URLs of losses; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import losses, losses_deeds

loss_urls = [
    path("susut/", losses.losses, name="desk-losses"),
    path("susut/temuan/", losses.findings_page, name="desk-losses-findings"),
    path("susut/simpul/<int:node>/", losses.node_page, name="desk-losses-node"),
    path("susut/simpul/<int:node>/meter/<str:drn>/", losses.meter_page, name="desk-losses-meter"),
    path("susut/simpul/<int:node>/meter/<str:drn>/putuskan/", losses_deeds.decide, name="desk-losses-decide"),
    path("susut/putusan/<int:decision>/batalkan/", losses_deeds.undo, name="desk-losses-undo"),
]
