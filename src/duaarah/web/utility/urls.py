# SPDX-License-Identifier: Apache-2.0
"""URLs of the operators' pages."""

from django.urls import path

from duaarah.web.utility import approvals, communication, keys, orders, shipments, usage, views

urlpatterns = [
    path("", views.desk, name="desk"),
    path("meter/", views.find, name="desk-find"),
    path("meter/<str:drn>/", views.meter, name="desk-meter"),
    path("meter/<str:drn>/kunci/", keys.meter_key, name="desk-meter-key"),
    path("meter/<str:drn>/kunci/jejak/", keys.meter_key_part, name="desk-meter-key-part"),
    path("meter/<str:drn>/komunikasi/", communication.communication, name="desk-meter-communication"),
    path("meter/<str:drn>/pemakaian/", usage.usage_page, name="desk-meter-usage"),
    path("meter/<str:drn>/perintah/", orders.order, name="desk-order"),
    path("meter/<str:drn>/perintah/jejak/", orders.orders_part, name="desk-meter-orders"),
    path("perintah/<int:command>/tarik/", orders.withdraw, name="desk-order-withdraw"),
    path("kunci/", keys.registers, name="desk-keys"),
    path("kunci/persetujuan/", approvals.approvals, name="desk-approvals"),
    path("kunci/persetujuan/<int:approval>/", approvals.decide, name="desk-decide"),
    path("kunci/<int:change>/tarik/", keys.withdraw, name="desk-key-withdraw"),
    path("kiriman/", shipments.shipments, name="desk-shipments"),
    path("kiriman/<int:shipment>/", shipments.shipment, name="desk-shipment"),
    path("kiriman/<int:shipment>/tutup/", shipments.close_shipment, name="desk-shipment-close"),
    path("pesan/", views.messages_log, name="desk-messages"),
]
