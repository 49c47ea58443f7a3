# SPDX-License-Identifier: Apache-2.0
"""URLs of planning and of reports by e-mail; included in `urls.py`."""

from django.urls import path

from duaarah.web.utility import planner, reports

report_urls = [
    path("perencana/", planner.planner, name="desk-planner"),
    path("laporan/", reports.reports, name="desk-reports"),
    path("laporan/baru/", reports.subscribe, name="desk-report-new"),
    path("laporan/<int:subscription>/coba/", reports.trial, name="desk-report-trial"),
    path("laporan/<int:subscription>/akhiri/", reports.end, name="desk-report-end"),
    path("laporan/berhenti/<str:token>/", reports.unsubscribe, name="report-unsubscribe"),
]
