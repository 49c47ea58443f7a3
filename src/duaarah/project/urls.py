# SPDX-License-Identifier: Apache-2.0
"""URLs of the platform."""

from django.urls import URLPattern, URLResolver, path

from duaarah.web.api.urls import api

urlpatterns: list[URLPattern | URLResolver] = [path("api/v1/", api.urls)]
