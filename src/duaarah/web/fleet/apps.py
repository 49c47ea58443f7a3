# SPDX-License-Identifier: Apache-2.0
"""The pages of owners of many sites."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "duaarah.web.fleet"
    label = "web_fleet"
