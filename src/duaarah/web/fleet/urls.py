# SPDX-License-Identifier: Apache-2.0
"""URLs of the pages of owners of many sites."""

from django.urls import path

from duaarah.web.fleet import auto, views

urlpatterns = [
    path("", views.sites, name="fleet"),
    path("isi/", views.review, name="fleet-review"),
    path("isi/laksanakan/", views.top_up_all, name="fleet-top-up"),
    path("isi/<uuid:batch>/", views.batch, name="fleet-batch"),
    path("otomatis/", auto.listing, name="fleet-auto-list"),
    path("otomatis/baru/", auto.new, name="fleet-auto-new"),
    path("otomatis/<int:rule_id>/", auto.edit, name="fleet-auto-edit"),
    path("otomatis/<int:rule_id>/henti/", auto.stop, name="fleet-auto-stop"),
    path("otomatis/putuskan/<int:request_id>/", auto.decide, name="fleet-auto-decide"),
]
