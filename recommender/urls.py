"""Addresses of the recommender: the API under /api/v1/, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from recommender.api import evaluations, events, experiments, recommendations, strategies, why_not
from recommender.api import users as users_api
from recommender.views import (
    audit,
    data_quality,
    evaluation,
    experiment_editor,
    home,
    interest_encoder,
    interest_map,
    item_parts,
    label_parts,
    strategy_editor,
    user_list,
    user_parts,
    user_preferences,
    users,
)
from recommender.views import experiments as experiments_views
from recommender.views import strategies as strategies_views
from recommender.views import why_not as why_not_views

api_urlpatterns: list[URLPattern] = [
    path("evaluations/", evaluations.EvaluationList.as_view(), name="api-evaluations"),
    path("evaluations/<int:pk>/", evaluations.EvaluationDetail.as_view(), name="api-evaluation"),
    path("events/", events.EventList.as_view(), name="api-events"),
    path("experiments/", experiments.ExperimentList.as_view(), name="api-experiments"),
    path("experiments/<int:pk>/", experiments.ExperimentDetail.as_view(), name="api-experiment"),
    path("strategies/", strategies.StrategyList.as_view(), name="api-strategies"),
    path("strategies/<path:name>/", strategies.StrategyDetail.as_view(), name="api-strategy"),
    path("users/", users_api.UserList.as_view(), name="api-users"),
    # A user's or an item's own id may hold slashes, so these come before the addresses that take the whole rest.
    path(
        "users/<path:external_id>/recommendations/",
        recommendations.Recommendations.as_view(),
        name="api-recommendations",
    ),
    path("users/<path:external_id>/why-not/", why_not.WhyNotDetail.as_view(), name="api-why-not"),
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
    path("user-parts/why-not/", why_not_views.why_not_part, name="why-not"),
    path("why-not/", why_not_views.why_not_page, name="why-not-page"),
    path("audit/", audit.audit, name="audit"),
    path("audit/diff/", audit.audit_diff, name="audit-diff"),
    path("audit/export/", audit.audit_export, name="audit-export"),
    path("audit/exports/<int:pk>/", audit.audit_export_file, name="audit-export-file"),
    path("audit/<uuid:public_id>/", audit.slate, name="slate"),
    path("audit/<uuid:public_id>/replay/", audit.slate_replay, name="slate-replay"),
    path("user-parts/list/", user_list.user_list, name="user-list"),
    path("user-parts/labels/", user_list.label_options, name="list-label-options"),
    path("user-parts/brands/", user_list.brand_options, name="brand-options"),
    path("user-parts/record-event/", user_parts.record_event, name="record-event"),
    path("user-parts/<int:pk>/interest-map/", interest_map.interest_map, name="interest-map"),
    path("user-parts/<int:pk>/interest-map/data/", interest_map.interest_map_data, name="interest-map-data"),
    path("user-parts/<int:pk>/freshness/", user_parts.user_freshness, name="user-freshness"),
    path("user-parts/<int:pk>/interests/", user_parts.user_interests, name="user-interests"),
    path(
        "user-parts/<int:pk>/interests/<int:label_pk>/events/", user_parts.user_label_events, name="user-label-events"
    ),
    path("user-parts/<int:pk>/preferences/", user_preferences.user_preferences, name="user-preferences"),
    path("user-parts/<int:pk>/timeline/", user_parts.user_timeline, name="user-timeline"),
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
    path("experiments/", experiments_views.experiments, name="experiments"),
    path("experiments/new/", experiment_editor.experiment_new, name="experiment-new"),
    path("experiments/restore/", experiments_views.experiment_restore, name="experiment-restore"),
    path("experiments/<int:pk>/", experiments_views.experiment, name="experiment"),
    path("experiments/<int:pk>/edit/", experiment_editor.experiment_edit, name="experiment-edit"),
    path("experiments/<int:pk>/chart/", experiments_views.experiment_chart, name="experiment-chart"),
    path("experiments/<int:pk>/download/", experiments_views.experiment_download, name="experiment-download"),
    path("experiments/<int:pk>/start/", experiments_views.experiment_start, name="experiment-start"),
    path("experiments/<int:pk>/stop/", experiments_views.experiment_stop, name="experiment-stop"),
    path("experiments/<int:pk>/resume/", experiments_views.experiment_resume, name="experiment-resume"),
    path("experiments/<int:pk>/promote/", experiments_views.experiment_promote, name="experiment-promote"),
    path("experiments/<int:pk>/unpromote/", experiments_views.experiment_unpromote, name="experiment-unpromote"),
    path("experiments/<int:pk>/measure/", experiments_views.experiment_measure, name="experiment-measure"),
    path("experiments/<int:pk>/delete/", experiments_views.experiment_delete, name="experiment-delete"),
    path("items/<int:pk>/next/", item_parts.item_next, name="item-next"),
    path("items/<int:pk>/audience/", item_parts.item_audience, name="item-audience"),
    path("items/<int:pk>/activity/", item_parts.item_activity, name="item-activity"),
]
