# SPDX-License-Identifier: Apache-2.0
"""URLs of the data operator's pages."""

from django.urls import path

from duaarah.web.dataop import decide, links, stock, traffic

urlpatterns = [
    path("", links.console, name="data"),
    path("perlu-dilihat/", links.attention, name="data-attention"),
    path("pesan/", links.segments, name="data-messages"),
    path("pesan/<int:segment>/", links.segment_life, name="data-message"),
    path("pesan/<int:segment>/putuskan/", decide.decide, name="data-decide"),
    path("pesan/masuk/<int:inbound>/", links.inbound_life, name="data-inbound"),
    path("sim/", stock.sims, name="data-sims"),
    path("sim/<str:iccid>/", stock.sim, name="data-sim"),
    path("lalu-lintas/", traffic.month, name="data-traffic"),
    path("katalog/", stock.catalogue, name="data-catalogue"),
    path("katalog/harga/", stock.price, name="data-price"),
]
