"""Addresses of the catalog: pages here, the API in `api_urlpatterns`."""

from __future__ import annotations

from django.urls import path

from catalog import views

urlpatterns = [
    path("catalog/", views.catalog, name="catalog"),
    # Whatever follows /catalog/ is an item's own id, slashes included, so actions live elsewhere and take our key.
    path("catalog/<path:external_id>/", views.item, name="item"),
    path("items/<int:pk>/similar/", views.item_similar, name="item-similar"),
    path("items/<int:pk>/visibility/", views.item_visibility, name="item-visibility"),
    path("item-labels/<int:pk>/decision/", views.item_label_decision, name="item-label-decision"),
]
