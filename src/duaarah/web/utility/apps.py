# SPDX-License-Identifier: Apache-2.0
"""The pages of those who run the service."""

from django.apps import AppConfig


class UtilityConfig(AppConfig):
    name = "duaarah.web.utility"
    label = "web_utility"
