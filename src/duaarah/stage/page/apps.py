# SPDX-License-Identifier: Apache-2.0
"""The demo's own page."""

from django.apps import AppConfig


class PageConfig(AppConfig):
    name = "duaarah.stage.page"
    label = "stage_page"
