"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("recsite.operations.urls")),
    path("", include("catalog.urls")),
    path("", include("recommender.urls")),
]
