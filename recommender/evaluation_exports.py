"""A stored report for spreadsheets: one row a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from recommender.evaluation_report import interval_of, list_of, mapping_of

HEAD = ("part", "name", "figure", "value", "low", "high")


def report_csv(report: Mapping[str, Any]) -> str:
    """Columns: part of the report, name in that part, figure, its value, and the 95% interval where there is one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    writer.writerows(_rows(report))
    return text.getvalue()


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    intervals = mapping_of(report.get("ci95"))
    for name, value in _plain(report):
        yield ("all", "", name, value, *_bounds(intervals.get(name)))
    for baseline, values in mapping_of(report.get("baselines")).items():
        intervals = {**mapping_of(mapping_of(values).get("ci95"))}
        intervals["ndcg_difference"] = mapping_of(values).get("ci95_difference")
        for name, value in _plain(mapping_of(values)):
            yield ("baseline", baseline, name, value, *_bounds(intervals.get(name)))
    for source, value in mapping_of(report.get("ablation")).items():
        yield ("without source", source, "ndcg@10", value, "", "")
    yield from _slice_rows(mapping_of(report.get("slices")), "")
    for bucket, weights in mapping_of(report.get("weights")).items():
        for source, weight in mapping_of(weights).items():
            yield ("weight", bucket, source, weight, "", "")
    for warning in list_of(report.get("warnings")):
        yield ("warning", "", "", warning, "", "")


def _plain(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in values.items() if not isinstance(value, dict | list)]


def _bounds(interval: Any) -> tuple[object, object]:
    return interval_of(interval) or ("", "")


def _slice_rows(slices: Mapping[str, Any], above: str) -> Iterator[tuple[object, ...]]:
    """A slice holds figures, or slices."""
    for name, values in slices.items():
        parts = mapping_of(values)
        if any(isinstance(value, dict) for value in parts.values()):
            yield from _slice_rows(parts, f"{above}{name} ")
            continue
        for figure, value in _plain(parts):
            yield ("slice", f"{above}{name}", figure, value, "", "")
