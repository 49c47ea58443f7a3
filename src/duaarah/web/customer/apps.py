# SPDX-License-Identifier: Apache-2.0
"""The household's pages."""

from django.apps import AppConfig


class CustomerConfig(AppConfig):
    name = "duaarah.web.customer"
    label = "web_customer"
