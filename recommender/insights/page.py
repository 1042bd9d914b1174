"""Which charts there are, by their keys, and what they are made of. A constant number of queries each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from recommender import figures, findings
from recommender.findings import Found
from recommender.insights import activity, confidence, exposure, freshness
from recommender.insights.charts import Chart
from recsite.operations.date_range import DateRange


class Sources:
    """What several charts of one request share, read once."""

    def __init__(self, asked: DateRange) -> None:
        self.asked = asked

    @cached_property
    def mark(self) -> figures.Mark | None:
        return figures.mark()

    @cached_property
    def confidence(self) -> Found | None:
        return findings.current("confidence", small=findings.is_small())


CHARTS: Mapping[str, Callable[[Sources], Chart]] = {
    "events": lambda of: activity.events_chart(of.asked, of.mark),
    "funnel": lambda of: activity.funnel_chart(of.asked, of.mark),
    "lists": lambda of: activity.lists_chart(of.asked, of.mark),
    "list-time": lambda of: activity.list_time_chart(of.asked, of.mark),
    "exposure": lambda of: exposure.exposure_chart(of.asked),
    "confidence": lambda of: confidence.histogram_chart(of.confidence),
    "reliability": lambda of: confidence.reliability_chart(of.confidence),
    "freshness": lambda of: freshness.freshness_chart(),
}


def all_charts(asked: DateRange) -> list[Chart]:
    sources = Sources(asked)
    return [draw(sources) for draw in CHARTS.values()]


def one_chart(key: str, asked: DateRange) -> Chart | None:
    """None where there is no such chart."""
    draw = CHARTS.get(key)
    return draw(Sources(asked)) if draw else None
