"""A stored report as its page reads it: figures in words, beside the baselines, without each source, in slices.

Nothing is measured here. A report may lack any part, or hold null where something could not be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from recommender.evaluation_words import (
    BASELINE_NAMES,
    BUCKETS,
    HEADLINES,
    METRICS,
    difference_words,
    encoder_words,
    metric_name,
    metric_words,
    weights_from_words,
)
from recommender.templatetags.scores import source_name

NDCG = "ndcg@10"
SLIGHT = 0.01  # of NDCG: a source whose absence moves less than this share of it hardly matters


@dataclass(frozen=True)
class Figure:
    key: str
    name: str
    value: float | None
    interval: tuple[float, float] | None
    words: str


@dataclass(frozen=True)
class Beside:
    """A baseline: its figures in the order of METRICS, and how much higher the strategy's NDCG is."""

    key: str
    name: str
    values: tuple[tuple[str, float | None], ...]
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    kind: str  # better | worse | chance | unknown: of the strategy
    words: str

    def value(self, metric: str) -> float | None:
        return dict(self.values).get(metric)


@dataclass(frozen=True)
class Without:
    """A source, the NDCG of lists made without it, and what is lost thereby (below 0: gained)."""

    source: str
    name: str
    ndcg: float
    lost: float | None
    kind: str  # earns | slight | harms | unknown


@dataclass(frozen=True)
class Slice:
    group: str
    name: str
    n: int | None
    hit_rate: float | None
    ndcg: float | None


@dataclass(frozen=True)
class Weights:
    """What each source counts for users of one length of history, in the order of the report's sources; sums to 1."""

    name: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True)
class ReportView:
    strategy: str
    n: int | None
    users: int | None
    headlines: tuple[Figure, ...]
    others: tuple[Figure, ...]
    baselines: tuple[Beside, ...]
    strongest: Beside | None
    ablation: tuple[Without, ...]
    slices: tuple[Slice, ...]
    weight_sources: tuple[tuple[str, str], ...]
    weights: tuple[Weights, ...]
    weights_from: str
    encoder: str
    warnings: tuple[str, ...]
    fit_seconds: float | None
    users_per_s: float | None

    @property
    def figures(self) -> tuple[Figure, ...]:
        return self.headlines + self.others

    def figure(self, metric: str) -> Figure:
        return next(one for one in self.figures if one.key == metric)


def view_of(report: Mapping[str, Any], *, strategy: str) -> ReportView:
    """`strategy`: what it is called where the report does not say so."""
    figures = {metric: _figure(report, metric) for metric in METRICS}
    ndcg = figures[NDCG].value
    baselines = tuple(_beside(str(name), values) for name, values in mapping_of(report.get("baselines")).items())
    ordered = tuple(sorted(baselines, key=lambda one: (-(one.value(NDCG) or 0.0), one.key)))
    sources, weights = _weights(report)
    return ReportView(
        strategy=str(report.get("strategy") or strategy),
        n=_whole(report.get("n")),
        users=_whole(report.get("users")),
        headlines=tuple(figures[metric] for metric in HEADLINES),
        others=tuple(figure for metric, figure in figures.items() if metric not in HEADLINES),
        baselines=ordered,
        strongest=ordered[0] if ordered and ordered[0].value(NDCG) is not None else None,
        ablation=_ablation(report, ndcg),
        slices=_slices(report),
        weight_sources=tuple((source, source_name(source)) for source in sources),
        weights=weights,
        weights_from=weights_from_words(mapping_of(report.get("weights_from"))),
        encoder=encoder_words(mapping_of(report.get("interest_encoder"))),
        warnings=tuple(str(one) for one in list_of(report.get("warnings"))),
        fit_seconds=_number(report.get("fit_seconds")),
        users_per_s=_number(report.get("users_per_s")),
    )


def _figure(values: Mapping[str, Any], metric: str) -> Figure:
    value, interval = _number(values.get(metric)), interval_of(mapping_of(values.get("ci95")).get(metric))
    return Figure(metric, metric_name(metric), value, interval, metric_words(metric, value, interval))


def _beside(key: str, values: Any) -> Beside:
    values = mapping_of(values)
    difference, p_value = _number(values.get("ndcg_difference")), _number(values.get("p_value"))
    interval = interval_of(values.get("ci95_difference"))
    name = str(BASELINE_NAMES.get(key, key))
    if difference is None or interval is None:
        kind = "unknown"
    elif interval[0] <= 0 <= interval[1]:
        kind = "chance"
    else:
        kind = "better" if difference > 0 else "worse"
    return Beside(
        key=key,
        name=name,
        values=tuple((metric, _number(values.get(metric))) for metric in METRICS),
        difference=difference,
        interval=interval,
        p_value=p_value,
        kind=kind,
        words=difference_words(kind, name, p_value),
    )


def _ablation(report: Mapping[str, Any], ndcg: float | None) -> tuple[Without, ...]:
    """What is missed most comes first. Lost against `all` of the ablation, whose lists are plain orders of the first
    cases; against the report's own figure where it has none."""
    found = []
    values = mapping_of(report.get("ablation"))
    whole = _number(values.get("all"))
    ndcg = ndcg if whole is None else whole
    for source, value in values.items():
        without = _number(value)
        if without is None or source == "all":
            continue
        lost = None if ndcg is None else ndcg - without
        if lost is None:
            kind = "unknown"
        elif abs(lost) < SLIGHT * abs(ndcg or 0.0) or lost == 0:
            kind = "slight"
        else:
            kind = "earns" if lost > 0 else "harms"
        found.append(Without(str(source), source_name(str(source)), without, lost, kind))
    return tuple(sorted(found, key=lambda one: (-(one.lost or 0.0), one.source)))


def _slices(report: Mapping[str, Any]) -> tuple[Slice, ...]:
    slices = mapping_of(report.get("slices"))
    repeats = mapping_of(slices.get("repeats"))
    histories = mapping_of(slices.get("by_history"))
    found = [_slice("", gettext("New items, that nobody had taken before"), slices.get("cold"))]
    found += [_slice("history", str(BUCKETS[bucket]), histories.get(bucket)) for bucket in BUCKETS]
    found.append(_slice("repeats", gettext("Repeats may be in the list"), repeats.get("in")))
    found.append(_slice("repeats", gettext("Repeats are left out"), repeats.get("out")))
    return tuple(one for one in found if one is not None)


def _slice(group: str, name: str, values: Any) -> Slice | None:
    """None where the report has no such slice; one without figures stays, with what is missing."""
    if not isinstance(values, Mapping):
        return None
    n, hit_rate, ndcg = (values.get(key) for key in ("n", "hr@10", NDCG))
    return Slice(group, name, _whole(n), _number(hit_rate), _number(ndcg))


def _weights(report: Mapping[str, Any]) -> tuple[list[str], tuple[Weights, ...]]:
    by_bucket = mapping_of(report.get("weights"))
    used: dict[str, float] = {}
    for weights in by_bucket.values():
        for source, weight in mapping_of(weights).items():
            used[str(source)] = max(used.get(str(source), 0.0), _number(weight) or 0.0)
    sources = sorted(used, key=lambda source: (-used[source], source))
    known = [bucket for bucket in BUCKETS if bucket in by_bucket]
    rows = [(bucket, str(BUCKETS[bucket])) for bucket in known]
    rows += [(str(bucket), str(bucket)) for bucket in by_bucket if bucket not in BUCKETS]
    return sources, tuple(_weights_row(name, mapping_of(by_bucket[bucket]), sources) for bucket, name in rows)


def _weights_row(name: str, weights: Mapping[str, Any], sources: list[str]) -> Weights:
    numbers = [_number(weights.get(source)) or 0.0 for source in sources]
    total = sum(numbers)
    return Weights(name, tuple(number / total if total else None for number in numbers))


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def interval_of(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = _number(value[0]), _number(value[1])
    return None if low is None or high is None else (low, high)
