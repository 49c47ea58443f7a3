# SPDX-License-Identifier: Apache-2.0
"""What every portal shares: frame, figures, style, access."""

from django.apps import AppConfig


class SharedConfig(AppConfig):
    name = "duaarah.web.shared"
    label = "web_shared"
