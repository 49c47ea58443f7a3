# SPDX-License-Identifier: Apache-2.0
"""URLs of the household's pages."""

from django.urls import path

from duaarah.web.customer import auto, delegations, usage, views

urlpatterns = [
    path("", views.home, name="home"),
    path("meter/<str:drn>/", views.home, name="home-meter"),
    path("meter/<str:drn>/sekarang/", views.now_part, name="home-now"),
    path("meter/<str:drn>/pemakaian/", usage.usage_page, name="home-usage"),
    path("meter/<str:drn>/isi/", views.buy, name="home-buy"),
    path("token/<int:vend_id>/", views.token, name="home-token"),
    path("token/<int:vend_id>/jejak/", views.token_part, name="home-token-part"),
    path("token/<int:vend_id>/struk/", views.receipt, name="home-receipt"),
    path("paket/", views.package, name="home-package"),
    path("izin/", delegations.delegations, name="home-delegations"),
    path("kunci/", views.api_keys, name="home-keys"),
    path("pengaturan/", views.preferences, name="home-preferences"),
    path("otomatis/", auto.listing, name="home-auto-list"),
    path("otomatis/baru/", auto.new, name="home-auto-new"),
    path("otomatis/<int:rule_id>/", auto.edit, name="home-auto-edit"),
    path("otomatis/<int:rule_id>/henti/", auto.stop, name="home-auto-stop"),
    path("otomatis/putuskan/<int:request_id>/", auto.decide, name="home-auto-decide"),
]
