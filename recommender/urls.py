"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import events, recommendations
from recommender.api import users as users_api
from recommender.views import home, interest_encoder, item_parts, label_parts, users

api_urlpatterns: list[URLPattern] = [
    path("events/", events.EventList.as_view(), name="api-events"),
    path("users/", users_api.UserList.as_view(), name="api-users"),
    # A user's or an item's own id may hold slashes, so these come before the addresses that take the whole rest.
    path(
        "users/<path:external_id>/recommendations/",
        recommendations.Recommendations.as_view(),
        name="api-recommendations",
    ),
    path("items/<path:external_id>/neighbours/", recommendations.ItemNeighbours.as_view(), name="api-neighbours"),
    path("users/<path:external_id>/", users_api.UserDetail.as_view(), name="api-user"),
]

# Whatever follows /users/ is a user's own id, slashes included, so the parts of the page live elsewhere.
urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("events-chart/", home.events_chart, name="events-chart"),
    path("search/", home.search, name="search"),
    path("search/items/", home.item_options, name="item-options"),
    path("users/", users.users, name="users"),
    path("users/<path:external_id>/", users.user, name="user"),
    path("user-parts/list/", users.user_list, name="user-list"),
    path("user-parts/record-event/", users.record_event, name="record-event"),
    path("user-parts/<int:pk>/freshness/", users.user_freshness, name="user-freshness"),
    path("user-parts/<int:pk>/interests/", users.user_interests, name="user-interests"),
    path("user-parts/<int:pk>/timeline/", users.user_timeline, name="user-timeline"),
    path("operations/interest-encoder/", interest_encoder.interest_encoder, name="interest-encoder"),
    path("label-reach/", label_parts.reach, name="label-reach"),
    path("items/<int:pk>/next/", item_parts.item_next, name="item-next"),
    path("items/<int:pk>/activity/", item_parts.item_activity, name="item-activity"),
]
