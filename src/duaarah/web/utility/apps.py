# SPDX-License-Identifier: Apache-2.0
"""The pages of those who run the service."""

from __future__ import annotations

import datetime as dt

from django.apps import AppConfig


class UtilityConfig(AppConfig):
    name = "duaarah.web.utility"
    label = "web_utility"

    def ready(self) -> None:
        """Reports by e-mail say what the pages say; the sender lies below and is given their maker here."""
        from duaarah.reports.composing import Letter, use_maker
        from duaarah.reports.models import Subscription

        def compose(subscription: Subscription, due_at: dt.datetime, now: dt.datetime) -> Letter:
            # Imported by the first report: a process that sends none needs no tables, pictures and fonts.
            from duaarah.web.utility.report_letters import compose as made

            return made(subscription, due_at, now)

        use_maker(compose)
