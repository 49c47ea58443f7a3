# SPDX-License-Identifier: Apache-2.0
"""URLs of the operators' pages."""

from django.urls import path

from duaarah.web.utility import views

urlpatterns = [
    path("", views.desk, name="desk"),
    path("meter/", views.find, name="desk-find"),
    path("meter/<str:drn>/", views.meter, name="desk-meter"),
    path("pesan/", views.messages_log, name="desk-messages"),
]
