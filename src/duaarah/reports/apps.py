# SPDX-License-Identifier: Apache-2.0
"""Django's entry to the reports feature."""

from django.apps import AppConfig


class Config(AppConfig):
    name = "duaarah.reports"
    label = "reports"
