# SPDX-License-Identifier: Apache-2.0
"""URLs of the pages of owners of many sites."""

from django.urls import path

from duaarah.web.fleet import views

urlpatterns = [
    path("", views.sites, name="fleet"),
    path("isi/", views.review, name="fleet-review"),
    path("isi/laksanakan/", views.top_up_all, name="fleet-top-up"),
    path("isi/<uuid:batch>/", views.batch, name="fleet-batch"),
]
