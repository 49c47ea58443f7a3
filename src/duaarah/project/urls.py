# SPDX-License-Identifier: Apache-2.0
"""URLs of the platform."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from duaarah.web.api.documentation import documentation
from duaarah.web.api.urls import api
from duaarah.web.shared import views as shared

urlpatterns: list[URLPattern | URLResolver] = [
    path("", shared.start, name="start"),
    path("masuk/", shared.sign_in, name="sign-in"),
    path("keluar/", shared.sign_out, name="sign-out"),
    path("bahasa/", set_language, name="set_language"),
    path("rumah/", include("duaarah.web.customer.urls")),
    path("armada/", include("duaarah.web.fleet.urls")),
    path("operasi/", include("duaarah.web.utility.urls")),
    path("data/", include("duaarah.web.dataop.urls")),
    path("seluler/", include("duaarah.web.mobileop.urls")),
    path("gerai/", include("duaarah.web.gerai.urls")),
    path("api/v1/", documentation, name="api-documentation"),
    path("api/v1/", api.urls),
]
handler403 = "duaarah.web.shared.views.forbidden"
handler404 = "duaarah.web.shared.views.missing"
handler500 = "duaarah.web.shared.views.broken"
