# SPDX-License-Identifier: Apache-2.0
"""URLs of the mobile operators' pages."""

from django.urls import path

from duaarah.web.mobileop import books, package, views

urlpatterns = [
    path("", views.links_page, name="mobile"),
    path("lalu-lintas/", views.traffic_page, name="mobile-traffic"),
    path("paket/", package.month, name="mobile-package"),
    path("tagihan/<str:number>/", package.issued, name="mobile-issued"),
    path("rekonsiliasi/", package.reconciliations, name="mobile-reconciliations"),
    path("rekonsiliasi/<int:reconciliation>/", package.reconciliation, name="mobile-reconciliation"),
    path("buku/", books.balance, name="mobile-books"),
    path("buku/akun/", books.account, name="mobile-account"),
    path("buku/entri/<int:entry>/", books.entry, name="mobile-entry"),
    path("sim/", views.sims_page, name="mobile-sims"),
]
