"""Addresses of the catalog: the API in `api_urlpatterns`, pages in `urlpatterns`."""

from __future__ import annotations

from django.urls import URLPattern, path

from catalog import (
    api,
    confidence_api,
    confidence_views,
    model_views,
    taxonomy_api,
    taxonomy_edit_views,
    taxonomy_settings_views,
    taxonomy_views,
    views,
)

# An item's own id may hold slashes, so `items/<path>/` comes last of those that begin like it.
api_urlpatterns = [
    path("taxonomies/", taxonomy_api.TaxonomyList.as_view(), name="api-taxonomies"),
    path("taxonomies/<slug:slug>/labels/", taxonomy_api.LabelList.as_view(), name="api-labels"),
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
    path("taxonomies/", taxonomy_views.taxonomy_list, name="taxonomies"),
    # Whatever a taxonomy is called, /taxonomies/SLUG/ is its page; its parts and dialogs live elsewhere.
    path("taxonomies/<slug:slug>/", taxonomy_views.taxonomy, name="taxonomy"),
    path("taxonomy-parts/new/", taxonomy_settings_views.taxonomy_new, name="taxonomy-new"),
    path("taxonomy-parts/import/", taxonomy_views.taxonomy_import, name="taxonomy-import"),
    path("taxonomy-parts/<int:pk>/branch/", taxonomy_views.taxonomy_branch, name="taxonomy-branch"),
    path("taxonomy-parts/<int:pk>/search/", taxonomy_views.taxonomy_search, name="taxonomy-search"),
    path("taxonomy-parts/<int:pk>/export/", taxonomy_views.taxonomy_export, name="taxonomy-export"),
    path("taxonomy-parts/<int:pk>/settings/", taxonomy_settings_views.taxonomy_settings, name="taxonomy-settings"),
    path("taxonomy-parts/<int:pk>/add/", taxonomy_edit_views.label_add, name="label-add"),
    path("label-parts/<int:pk>/panel/", taxonomy_views.label_panel, name="label-panel"),
    path("label-parts/<int:pk>/<slug:act>/", taxonomy_edit_views.label_edit, name="label-edit"),
    path("label-parts/<int:pk>/<slug:act>/preview/", taxonomy_edit_views.label_preview, name="label-preview"),
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
