# SPDX-License-Identifier: Apache-2.0
"""URLs of outages and planned work."""

from django.urls import path

from duaarah.web.utility import outage_plans, outages

outage_urls = [
    path("padam/", outages.outages, name="desk-outages"),
    path("padam/rencana/", outage_plans.plans, name="desk-outage-plans"),
    path("padam/rencana/<int:plan>/", outage_plans.plan, name="desk-outage-plan"),
    path("padam/rencana/<int:plan>/ubah/", outage_plans.change, name="desk-outage-plan-change"),
    path("padam/<int:outage>/", outages.outage, name="desk-outage"),
    path("padam/<int:outage>/ubah/", outages.change, name="desk-outage-change"),
]
