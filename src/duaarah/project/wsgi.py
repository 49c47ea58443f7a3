# SPDX-License-Identifier: Apache-2.0
"""The WSGI application that granian serves."""

from duaarah.project.start import setup
from duaarah.project.supervisor import die_with_parent

# The server's processes end with it, also where it is killed.
die_with_parent()
setup("web")

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django is configured first

application = get_wsgi_application()
