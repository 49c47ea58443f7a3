# SPDX-License-Identifier: Apache-2.0
"""URLs of the data operator's pages."""

from django.urls import path

from duaarah.web.dataop import binds, decide, formats, links, package, receiving, reconciling, sales, stock, traffic

urlpatterns = [
    path("", links.console, name="data"),
    path("jalur/", binds.binds, name="data-binds"),
    path("jalur/baru/", binds.bind_new, name="data-bind-new"),
    path("jalur/<int:bind>/", binds.bind, name="data-bind"),
    path("jalur/<int:bind>/ubah/", binds.bind_edit, name="data-bind-edit"),
    path("jalur/<int:bind>/sakelar/", binds.bind_switch, name="data-bind-switch"),
    path("jalur/<int:bind>/uji/", binds.bind_test, name="data-bind-test"),
    path("jalur/usul/<int:draft>/", binds.draft, name="data-draft"),
    path("jalur/usul/<int:draft>/uji/", binds.draft_test, name="data-draft-test"),
    path("jalur/uji/<int:trial>/", binds.trial, name="data-trial"),
    path("perlu-dilihat/", links.attention, name="data-attention"),
    path("pesan/", links.segments, name="data-messages"),
    path("pesan/<int:segment>/", links.segment_life, name="data-message"),
    path("pesan/<int:segment>/putuskan/", decide.decide, name="data-decide"),
    path("pesan/masuk/<int:inbound>/", links.inbound_life, name="data-inbound"),
    path("sim/", stock.sims, name="data-sims"),
    path("sim/terima/", receiving.receive, name="data-receive"),
    path("sim/terima/rentang/", receiving.ranges, name="data-ranges"),
    path("sim/terima/<int:shipment>/", receiving.shipment, name="data-shipment"),
    path("gerai/", sales.sales, name="data-sales"),
    path("gerai/csv/", sales.sales_csv, name="data-sales-csv"),
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
