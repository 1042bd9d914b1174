"""The addresses of this app: `api_urlpatterns` below /api/v1/, `urlpatterns` for pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

api_urlpatterns: list[URLPattern | URLResolver] = []
urlpatterns: list[URLPattern | URLResolver] = []
