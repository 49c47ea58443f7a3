# SPDX-License-Identifier: Apache-2.0
"""Django's entry to the readings feature."""

from django.apps import AppConfig


class Config(AppConfig):
    name = "duaarah.readings"
    label = "readings"
