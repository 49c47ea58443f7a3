# SPDX-License-Identifier: Apache-2.0
"""URLs of the operators' pages."""

from django.urls import path

from duaarah.web.utility import (
    approvals,
    campaigns,
    communication,
    dlms_keys,
    firmware,
    keys,
    orders,
    paces,
    shipments,
    usage,
    views,
)

urlpatterns = [
    path("", views.desk, name="desk"),
    path("meter/", views.find, name="desk-find"),
    path("meter/<str:drn>/", views.meter, name="desk-meter"),
    path("meter/<str:drn>/kunci/", keys.meter_key, name="desk-meter-key"),
    path("meter/<str:drn>/kunci/jejak/", keys.meter_key_part, name="desk-meter-key-part"),
    path("meter/<str:drn>/komunikasi/", communication.communication, name="desk-meter-communication"),
    path("meter/<str:drn>/pemakaian/", usage.usage_page, name="desk-meter-usage"),
    path("meter/<str:drn>/kunci-dlms/", dlms_keys.meter_keys, name="desk-meter-dlms"),
    path("meter/<str:drn>/kunci-dlms/jejak/", dlms_keys.meter_keys_part, name="desk-meter-dlms-part"),
    path("kunci-dlms/<int:rotation>/tarik/", dlms_keys.withdraw, name="desk-dlms-withdraw"),
    path("firmware/", firmware.firmware, name="desk-firmware"),
    path("firmware/jejak/", firmware.firmware_part, name="desk-firmware-part"),
    path("firmware/<int:rollout>/", firmware.rollout, name="desk-rollout"),
    path("firmware/<int:rollout>/ubah/", firmware.turn, name="desk-rollout-turn"),
    path("meter/<str:drn>/perintah/", orders.order, name="desk-order"),
    path("meter/<str:drn>/perintah/jejak/", orders.orders_part, name="desk-meter-orders"),
    path("meter/<str:drn>/alamat/", orders.set_address, name="desk-meter-address"),
    path("perintah/<int:command>/tarik/", orders.withdraw, name="desk-order-withdraw"),
    path("kampanye/", campaigns.campaign_list, name="desk-campaigns"),
    path("kampanye/baru/", campaigns.campaign_new, name="desk-campaign-new"),
    path("kampanye/<int:campaign>/", campaigns.campaign, name="desk-campaign"),
    path("kampanye/<int:campaign>/jejak/", campaigns.campaign_part, name="desk-campaign-part"),
    path("kampanye/<int:campaign>/langkah/", campaigns.campaign_step, name="desk-campaign-step"),
    path("laju/", paces.paces, name="desk-paces"),
    path("kunci/", keys.registers, name="desk-keys"),
    path("kunci/persetujuan/", approvals.approvals, name="desk-approvals"),
    path("kunci/persetujuan/<int:approval>/", approvals.decide, name="desk-decide"),
    path("kunci/<int:change>/tarik/", keys.withdraw, name="desk-key-withdraw"),
    path("kiriman/", shipments.shipments, name="desk-shipments"),
    path("kiriman/<int:shipment>/", shipments.shipment, name="desk-shipment"),
    path("kiriman/<int:shipment>/tutup/", shipments.close_shipment, name="desk-shipment-close"),
    path("pesan/", views.messages_log, name="desk-messages"),
]
