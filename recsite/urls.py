"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from recommender.urls import api_urlpatterns

urlpatterns = [path("api/v1/", include(api_urlpatterns)), path("admin/", admin.site.urls)]
