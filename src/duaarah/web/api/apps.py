# SPDX-License-Identifier: Apache-2.0
"""The API, and its page for people."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "duaarah.web.api"
    label = "web_api"
