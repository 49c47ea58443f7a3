# SPDX-License-Identifier: Apache-2.0
"""URLs of the operators' pages."""

from django.urls import path

from duaarah.web.utility import approvals, dlms_keys, firmware, keys, orders, shipments, views

urlpatterns = [
    path("", views.desk, name="desk"),
    path("meter/", views.find, name="desk-find"),
    path("meter/<str:drn>/", views.meter, name="desk-meter"),
    path("meter/<str:drn>/kunci/", keys.meter_key, name="desk-meter-key"),
    path("meter/<str:drn>/kunci/jejak/", keys.meter_key_part, name="desk-meter-key-part"),
    path("meter/<str:drn>/kunci-dlms/", dlms_keys.meter_keys, name="desk-meter-dlms"),
    path("meter/<str:drn>/kunci-dlms/jejak/", dlms_keys.meter_keys_part, name="desk-meter-dlms-part"),
    path("kunci-dlms/<int:rotation>/tarik/", dlms_keys.withdraw, name="desk-dlms-withdraw"),
    path("firmware/", firmware.firmware, name="desk-firmware"),
    path("firmware/jejak/", firmware.firmware_part, name="desk-firmware-part"),
    path("firmware/<int:rollout>/", firmware.rollout, name="desk-rollout"),
    path("firmware/<int:rollout>/ubah/", firmware.turn, name="desk-rollout-turn"),
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
