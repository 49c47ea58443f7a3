# SPDX-License-Identifier: Apache-2.0
"""The pages of mobile operators."""

from django.apps import AppConfig


class MobileOperatorConfig(AppConfig):
    name = "duaarah.web.mobileop"
    label = "web_mobileop"
