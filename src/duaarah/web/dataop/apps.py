# SPDX-License-Identifier: Apache-2.0
"""The pages of those who run the links."""

from django.apps import AppConfig


class DataOperatorConfig(AppConfig):
    name = "duaarah.web.dataop"
    label = "web_dataop"
