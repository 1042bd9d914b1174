"""Addresses of the catalog: the API in `api_urlpatterns`, pages in `urlpatterns`."""

from __future__ import annotations

from django.urls import URLPattern, path

from catalog import api

# An item's own id may hold slashes, so `items/<path>/` comes last of those that begin like it.
api_urlpatterns = [
    path("taxonomies/", api.TaxonomyList.as_view(), name="api-taxonomies"),
    path("items/", api.ItemList.as_view(), name="api-items"),
    path("items/<path:external_id>/", api.ItemDetail.as_view(), name="api-item"),
]

urlpatterns: list[URLPattern] = []
