# SPDX-License-Identifier: Apache-2.0
"""The demo's URLs: the stage at /, the platform's pages behind it."""

from django.urls import URLPattern, URLResolver, path

from duaarah.project import urls as platform
from duaarah.stage.page import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.stage, name="stage"),
    path("panggung/hidup/", views.live, name="stage-live"),
    path("panggung/kabel/<str:way>/<int:row>/", views.wire_detail, name="stage-wire"),
    path("panggung/masuk/<str:persona>/", views.enter, name="stage-enter"),
    path("panggung/token/", views.token_page, name="stage-token"),
    path("panggung/tur/", views.tour_page, name="stage-tour"),
    path("panggung/tur/hidup/", views.tour_live, name="stage-tour-live"),
    path("panggung/tur/<str:step>/", views.tour_step, name="stage-tour-step"),
    path("panggung/<str:deed>/", views.act, name="stage-act"),
    *(pattern for pattern in platform.urlpatterns if getattr(pattern, "name", None) != "start"),
]
handler403, handler404, handler500 = platform.handler403, platform.handler404, platform.handler500
