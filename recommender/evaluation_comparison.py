"""Reports side by side, metric by metric, and what can be said of who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from recommender import evaluation_pairs
from recommender.evaluation_report import NDCG, Figure, ReportView
from recommender.evaluation_words import METRICS, metric_name


@dataclass(frozen=True)
class ComparedFigure:
    figure: Figure
    is_best: bool  # the highest of its row, and higher than another


@dataclass(frozen=True)
class ComparedMetric:
    key: str
    name: str
    figures: tuple[ComparedFigure, ...]


def compared_metrics(views: Sequence[ReportView]) -> tuple[ComparedMetric, ...]:
    """Metrics that none of the reports holds are left out."""
    rows = []
    for metric in METRICS:
        figures = [view.figure(metric) for view in views]
        values = [figure.value for figure in figures if figure.value is not None]
        if not values:
            continue
        best = max(values) if max(values) > min(values) else None
        compared = tuple(ComparedFigure(figure, best is not None and figure.value == best) for figure in figures)
        rows.append(ComparedMetric(metric, metric_name(metric), compared))
    return tuple(rows)


def verdict(views: Sequence[ReportView], reports: Sequence[Mapping[str, Any]] = ()) -> str:
    """Which has the highest NDCG, and whether that is chance: by a paired test where the reports, in the order of the
    views, keep what became of each user; else by their intervals, and two that overlap leave it open."""
    kept = reports if len(reports) == len(views) else [{}] * len(views)
    ranked = sorted(
        (
            (view.figure(NDCG), view.strategy, report)
            for view, report in zip(views, kept, strict=True)
            if view.figure(NDCG).value is not None
        ),
        key=lambda one: -(one[0].value or 0.0),
    )
    if len(ranked) < 2:
        return ""
    (first, name, report), (second, runner_up, other) = ranked[0], ranked[1]
    named = {"name": name, "other": runner_up, "by": f"{(first.value or 0.0) - (second.value or 0.0):.3f}"}
    if first.value == second.value:
        return gettext("%(name)s and %(other)s have the same NDCG.") % named
    words = gettext("%(name)s has the highest NDCG, %(by)s above %(other)s") % named
    tested = evaluation_pairs.compared(report, other)
    if tested is not None:
        low, high = tested.ci95
        found = {"low": f"{low:+.4f}", "high": f"{high:+.4f}", "p": f"{tested.p_value:.3f}"}
        if low > 0:
            chance = gettext("on the same users, 95%% %(low)s to %(high)s, p = %(p)s: hardly chance.") % found
        else:
            chance = gettext("on the same users, 95%% %(low)s to %(high)s, p = %(p)s: it may be chance.") % found
    elif first.interval is None or second.interval is None:
        chance = gettext("without intervals, chance is not ruled out.")
    elif first.interval[0] > second.interval[1]:
        chance = gettext("their intervals lie apart, so it is hardly chance.")
    else:
        chance = gettext("their intervals overlap, so it may be chance.")
    return f"{words}; {chance}"
