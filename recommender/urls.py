"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import evaluations, events, recommendations, rules, strategies
from recommender.api import users as users_api
from recommender.views import (
    data_quality,
    evaluation,
    golden_users,
    home,
    interest_encoder,
    item_parts,
    label_parts,
    rule_editor,
    strategy_editor,
    user_preferences,
    users,
)
from recommender.views import rules as rules_views
from recommender.views import strategies as strategies_views

api_urlpatterns: list[URLPattern] = [
    path("evaluations/", evaluations.EvaluationList.as_view(), name="api-evaluations"),
    path("evaluations/<int:pk>/", evaluations.EvaluationDetail.as_view(), name="api-evaluation"),
    path("events/", events.EventList.as_view(), name="api-events"),
    path("rules/", rules.RuleList.as_view(), name="api-rules"),
    path("rules/<path:name>/", rules.RuleDetail.as_view(), name="api-rule"),
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
    # Whatever follows /strategies/ is a name, so what is done with a version lives elsewhere.
    path("strategies/", strategies_views.strategies, name="strategies"),
    path("strategies/<path:name>/", strategies_views.strategy, name="strategy"),
    path("strategy-versions/<int:pk>/draft/", strategies_views.strategy_draft, name="strategy-draft"),
    path("strategy-versions/<int:pk>/discard/", strategies_views.strategy_discard, name="strategy-discard"),
    path("strategy-versions/<int:pk>/live/", strategies_views.strategy_live, name="strategy-live"),
    path("strategy-versions/<int:pk>/edit/", strategy_editor.strategy_edit, name="strategy-edit"),
    path("strategy-versions/<int:pk>/changes/", strategy_editor.strategy_changes, name="strategy-changes"),
    path("strategy-versions/<int:pk>/preview/", strategy_editor.strategy_preview, name="strategy-preview"),
    # Whatever else follows /rules/ is a name, which `new` and `golden` therefore cannot be.
    path("rules/", rules_views.rules, name="rules"),
    path("rules/new/", rule_editor.rule_new, name="rule-new"),
    path("rules/golden/", golden_users.golden_users, name="golden-users"),
    path("rules/<path:name>/", rules_views.rule, name="rule"),
    path("rule-versions/<int:pk>/edit/", rule_editor.rule_edit, name="rule-edit"),
    path("rule-versions/<int:pk>/draft/", rules_views.rule_draft, name="rule-draft"),
    path("rule-versions/<int:pk>/discard/", rules_views.rule_discard, name="rule-discard"),
    path("rule-versions/<int:pk>/move/", rules_views.rule_move, name="rule-move"),
    path("rule-versions/<int:pk>/act/<slug:act>/", rules_views.rule_act, name="rule-act"),
    path("rule-parts/check/", rule_editor.rule_check, name="rule-check"),
    path("rule-parts/preview/", rule_editor.rule_preview, name="rule-preview"),
    path("rule-parts/choices/", rule_editor.rule_choices, name="rule-choices"),
    path("golden-users/new/", golden_users.golden_edit, name="golden-new"),
    path("golden-users/check/", golden_users.golden_check, name="golden-check"),
    path("golden-users/preview/", golden_users.golden_preview, name="golden-preview"),
    path("golden-users/restore/", golden_users.golden_restore, name="golden-restore"),
    path("golden-users/<int:pk>/edit/", golden_users.golden_edit, name="golden-edit"),
    path("golden-users/<int:pk>/act/<slug:act>/", golden_users.golden_act, name="golden-act"),
    path("items/<int:pk>/rules/", rules_views.item_rules, name="item-rules"),
    path("items/<int:pk>/next/", item_parts.item_next, name="item-next"),
    path("items/<int:pk>/activity/", item_parts.item_activity, name="item-activity"),
]
