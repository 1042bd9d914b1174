"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import events, recommendations, users

api_urlpatterns: list[URLPattern] = [
    path("events/", events.EventList.as_view(), name="api-events"),
    path("users/", users.UserList.as_view(), name="api-users"),
    # A user's or an item's own id may hold slashes, so these come before the addresses that take the whole rest.
    path(
        "users/<path:external_id>/recommendations/",
        recommendations.Recommendations.as_view(),
        name="api-recommendations",
    ),
    path("items/<path:external_id>/neighbours/", recommendations.ItemNeighbours.as_view(), name="api-neighbours"),
    path("users/<path:external_id>/", users.UserDetail.as_view(), name="api-user"),
]
urlpatterns: list[URLPattern] = []
