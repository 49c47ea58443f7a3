# SPDX-License-Identifier: Apache-2.0
"""URLs of the data operator's pages."""

from django.urls import path

from duaarah.web.dataop import decide, formats, links, package, reconciling, stock, traffic

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
    path("paket/", package.overview, name="data-package"),
    path("paket/pelanggan/<int:holder>/", package.customer, name="data-customer"),
    path("paket/<str:operator>/rekening/", package.statement, name="data-statement"),
    path("paket/<str:operator>/tagihan/", package.invoice, name="data-invoice"),
    path("tagihan/<str:number>/", package.issued, name="data-issued"),
    path("rekonsiliasi/", reconciling.files, name="data-reconciliations"),
    path("rekonsiliasi/berkas/<int:file>/", reconciling.progress, name="data-records"),
    path("rekonsiliasi/format/<str:operator>/", formats.record_format, name="data-format"),
    path("rekonsiliasi/<int:reconciliation>/", reconciling.reconciliation, name="data-reconciliation"),
    path("rekonsiliasi/<int:reconciliation>/putuskan/", reconciling.decide, name="data-reconciliation-decide"),
    path("katalog/", stock.catalogue, name="data-catalogue"),
    path("katalog/harga/", stock.price, name="data-price"),
]
