# SPDX-License-Identifier: Apache-2.0
"""URLs of the data operator's pages."""

from django.urls import path

from duaarah.web.dataop import links

urlpatterns = [
    path("", links.console, name="data"),
    path("perlu-dilihat/", links.attention, name="data-attention"),
    path("pesan/", links.segments, name="data-messages"),
    path("pesan/<int:segment>/", links.segment_life, name="data-message"),
    path("pesan/masuk/<int:inbound>/", links.inbound_life, name="data-inbound"),
]
