# SPDX-License-Identifier: Apache-2.0
"""The WSGI application that granian serves."""

from duaarah.project.start import setup

setup("web")

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django is configured first

application = get_wsgi_application()
