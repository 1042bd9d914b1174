"""Addresses of the catalog: the API in `api_urlpatterns`, pages in `urlpatterns`."""

from __future__ import annotations

from django.urls import URLPattern, path

from catalog import api, confidence_api, confidence_views, model_views, views

# An item's own id may hold slashes, so `items/<path>/` comes last of those that begin like it.
api_urlpatterns = [
    path("taxonomies/", api.TaxonomyList.as_view(), name="api-taxonomies"),
    path(
        "taxonomies/<slug:slug>/confidence/",
        confidence_api.TaxonomyConfidence.as_view(),
        name="api-taxonomy-confidence",
    ),
    path("items/", api.ItemList.as_view(), name="api-items"),
    path("items/<path:external_id>/", api.ItemDetail.as_view(), name="api-item"),
]

# Whatever follows /catalog/ is an item's own id, slashes included, so actions live elsewhere and take our key.
urlpatterns: list[URLPattern] = [
    path("catalog/", views.catalog, name="catalog"),
    path("catalog/<path:external_id>/", views.item, name="item"),
    path("items/<int:pk>/similar/", views.item_similar, name="item-similar"),
    path("items/<int:pk>/visibility/", views.item_visibility, name="item-visibility"),
    path("taxonomies/<int:pk>/label-options/", views.label_options, name="label-options"),
    path("operations/models/", model_views.models, name="models"),
    path("operations/models/states/", model_views.model_states_part, name="model-states"),
    path("taxonomies/<slug:slug>/confidence/", confidence_views.taxonomy_confidence, name="taxonomy-confidence"),
    path("taxonomies/<slug:slug>/abstaining/", confidence_views.taxonomy_abstaining, name="taxonomy-abstaining"),
    path("taxonomies/<slug:slug>/auto-accept/", confidence_views.taxonomy_auto_accept, name="taxonomy-auto-accept"),
    path("taxonomies/<slug:slug>/take-back/", confidence_views.taxonomy_take_back, name="taxonomy-take-back"),
    path("taxonomies/<slug:slug>/heads/", confidence_views.taxonomy_heads, name="taxonomy-heads"),
    path("item-labels/<int:pk>/decision/", views.item_label_decision, name="item-label-decision"),
]
