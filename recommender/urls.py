"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import evaluations, events, recommendations, strategies
from recommender.api import users as users_api
from recommender.views import (
    data_quality,
    evaluation,
    home,
    interest_encoder,
    item_parts,
    label_impacts,
    label_parts,
    strategy_editor,
    user_preferences,
    users,
)
from recommender.views import strategies as strategies_views

api_urlpatterns: list[URLPattern] = [
    path("evaluations/", evaluations.EvaluationList.as_view(), name="api-evaluations"),
    path("evaluations/<int:pk>/", evaluations.EvaluationDetail.as_view(), name="api-evaluation"),
    path("events/", events.EventList.as_view(), name="api-events"),
    path("strategies/", strategies.StrategyList.as_view(), name="api-strategies"),
    path("strategies/<path:name>/", strategies.StrategyDetail.as_view(), name="api-strategy"),
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
    path("user-parts/<int:pk>/preferences/", user_preferences.user_preferences, name="user-preferences"),
    path("user-parts/<int:pk>/timeline/", users.user_timeline, name="user-timeline"),
    path("evaluation/", evaluation.evaluation_home, name="evaluations"),
    path("evaluation/list/", evaluation.evaluation_list, name="evaluation-list"),
    path("evaluation/compare/", evaluation.evaluation_compare, name="evaluation-compare"),
    path("evaluation/<int:pk>/", evaluation.evaluation_detail, name="evaluation"),
    path("evaluation/<int:pk>/chart/", evaluation.evaluation_chart, name="evaluation-chart"),
    path("evaluation/<int:pk>/download/", evaluation.evaluation_download, name="evaluation-download"),
    path("evaluation/<int:pk>/keep/", evaluation.evaluation_keep, name="evaluation-keep"),
    path("evaluation/<int:pk>/delete/", evaluation.evaluation_delete, name="evaluation-delete"),
    path("data-quality/", data_quality.data_quality, name="data-quality"),
    path("operations/interest-encoder/", interest_encoder.interest_encoder, name="interest-encoder"),
    path("label-reach/", label_parts.reach, name="label-reach"),
    path("label-impact/", label_impacts.edit_impact, name="label-impact"),
    path("label-impact/review/", label_impacts.review_impact, name="review-impact"),
    path("label-impact/auto-accept/<slug:slug>/", label_impacts.auto_accept_impact, name="auto-accept-impact"),
    # Whatever follows /strategies/ is a name, so what is done with a version lives elsewhere.
    path("strategies/", strategies_views.strategies, name="strategies"),
    path("strategies/<path:name>/", strategies_views.strategy, name="strategy"),
    path("strategy-versions/<int:pk>/draft/", strategies_views.strategy_draft, name="strategy-draft"),
    path("strategy-versions/<int:pk>/discard/", strategies_views.strategy_discard, name="strategy-discard"),
    path("strategy-versions/<int:pk>/live/", strategies_views.strategy_live, name="strategy-live"),
    path("strategy-versions/<int:pk>/edit/", strategy_editor.strategy_edit, name="strategy-edit"),
    path("strategy-versions/<int:pk>/changes/", strategy_editor.strategy_changes, name="strategy-changes"),
    path("strategy-versions/<int:pk>/preview/", strategy_editor.strategy_preview, name="strategy-preview"),
    path("items/<int:pk>/next/", item_parts.item_next, name="item-next"),
    path("items/<int:pk>/activity/", item_parts.item_activity, name="item-activity"),
]
