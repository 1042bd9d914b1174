"""Addresses of the recommender: pages here, the API in `api_urlpatterns`."""

from __future__ import annotations

from django.urls import path

from recommender.views import home, item_parts, users

urlpatterns = [
    path("", home.home, name="home"),
    path("events-chart/", home.events_chart, name="events-chart"),
    path("search/", home.search, name="search"),
    path("search/items/", home.item_options, name="item-options"),
    path("users/", users.users, name="users"),
    # Whatever follows /users/ is a user's own id, slashes included, so the parts of the page live elsewhere.
    path("users/<path:external_id>/", users.user, name="user"),
    path("user-parts/list/", users.user_list, name="user-list"),
    path("user-parts/record-event/", users.record_event, name="record-event"),
    path("user-parts/<int:pk>/freshness/", users.user_freshness, name="user-freshness"),
    path("user-parts/<int:pk>/interests/", users.user_interests, name="user-interests"),
    path("user-parts/<int:pk>/timeline/", users.user_timeline, name="user-timeline"),
    path("items/<int:pk>/next/", item_parts.item_next, name="item-next"),
    path("items/<int:pk>/activity/", item_parts.item_activity, name="item-activity"),
]
