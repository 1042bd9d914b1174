"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import events, users

api_urlpatterns: list[URLPattern] = [
    path("events/", events.EventList.as_view(), name="api-events"),
    path("users/", users.UserList.as_view(), name="api-users"),
    path("users/<path:external_id>/", users.UserDetail.as_view(), name="api-user"),
]
urlpatterns: list[URLPattern] = []
