# SPDX-License-Identifier: Apache-2.0
"""The pages of a gerai's staff."""

from django.apps import AppConfig


class GeraiConfig(AppConfig):
    name = "duaarah.web.gerai"
    label = "web_gerai"
