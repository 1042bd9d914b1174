"""The chart of a strategy beside its baselines in one metric: bars for browser and table, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from recommender.evaluation_report import ReportView
from recommender.evaluation_words import HEADLINES, metric_name

CHARTED = ("ndcg@10", *(metric for metric in HEADLINES if metric != "ndcg@10"))


@dataclass(frozen=True)
class ChartBar:
    name: str
    value: float
    interval: tuple[float, float] | None
    is_ours: bool


@dataclass(frozen=True)
class EvaluationChart:
    metric: str
    name: str
    choices: tuple[tuple[str, str], ...]
    bars: tuple[ChartBar, ...]
    summary: str

    @property
    def columns(self) -> list[list[object]]:
        """[name, value, low or null, high or null, whether it is the strategy], one a bar."""
        return [[bar.name, bar.value, *(bar.interval or (None, None)), bar.is_ours] for bar in self.bars]


def chart_of(view: ReportView, metric: str) -> EvaluationChart:
    """The strategy first, then baselines from best to worst; what could not be computed has no bar."""
    ours = view.figure(metric)
    bars = [] if ours.value is None else [ChartBar(view.strategy, ours.value, ours.interval, True)]
    others = [
        ChartBar(one.name, value, None, False) for one in view.baselines if (value := one.value(metric)) is not None
    ]
    others.sort(key=lambda bar: (-bar.value, bar.name))
    return EvaluationChart(
        metric=metric,
        name=metric_name(metric),
        choices=tuple((each, metric_name(each)) for each in CHARTED),
        bars=tuple(bars + others),
        summary=_summary(bars, others, metric_name(metric)),
    )


def _summary(ours: list[ChartBar], others: list[ChartBar], name: str) -> str:
    if not ours:
        return gettext("%(metric)s could not be computed for this strategy.") % {"metric": name}
    said = {"metric": name, "name": ours[0].name, "value": f"{ours[0].value:.3f}"}
    if not others:
        return gettext("%(name)s has %(metric)s %(value)s; no baseline was measured.") % said
    said |= {"other": others[0].name, "best": f"{others[0].value:.3f}"}
    if ours[0].value > others[0].value:
        return gettext("%(name)s has %(metric)s %(value)s, the best baseline, %(other)s, has %(best)s.") % said
    return gettext("%(name)s has %(metric)s %(value)s and is no better than %(other)s, which has %(best)s.") % said
