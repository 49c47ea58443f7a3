# SPDX-License-Identifier: Apache-2.0
"""URLs of the mobile operators' pages."""

from django.urls import path

from duaarah.web.mobileop import views

urlpatterns = [
    path("", views.links_page, name="mobile"),
    path("lalu-lintas/", views.traffic_page, name="mobile-traffic"),
    path("sim/", views.sims_page, name="mobile-sims"),
]
