# SPDX-License-Identifier: Apache-2.0
"""URLs of a gerai's till."""

from django.urls import path

from duaarah.web.gerai import till

urlpatterns = [
    path("", till.home, name="gerai"),
    path("jual/", till.sale, name="gerai-sale"),
    path("struk/<int:vend>/", till.receipt, name="gerai-receipt"),
    path("tutup/", till.closing, name="gerai-closing"),
]
