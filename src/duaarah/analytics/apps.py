# SPDX-License-Identifier: Apache-2.0
"""Django's entry to the analytics feature."""

from django.apps import AppConfig


class Config(AppConfig):
    name = "duaarah.analytics"
    label = "analytics"
