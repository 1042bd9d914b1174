"""A stored report for spreadsheets: one row a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

HEAD = ("part", "name", "figure", "value", "low", "high")


def report_csv(report: Mapping[str, Any]) -> str:
    """Columns: part of the report, name in that part, figure, its value, and the 95% interval where there is one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    writer.writerows(_rows(report))
    return text.getvalue()


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    intervals = report.get("ci95") or {}
    for name, value in report.items():
        if not isinstance(value, dict | list):
            yield ("all", "", name, value, *(intervals.get(name) or ("", "")))
    for baseline, values in (report.get("baselines") or {}).items():
        for name, value in values.items():
            if name == "ndcg_difference":
                yield ("baseline", baseline, name, value, *(values.get("ci95_difference") or ("", "")))
            elif not isinstance(value, dict | list):
                yield ("baseline", baseline, name, value, *((values.get("ci95") or {}).get(name) or ("", "")))
    for source, value in (report.get("ablation") or {}).items():
        yield ("without source", source, "ndcg@10", value, "", "")
    yield from _slice_rows(report.get("slices") or {}, "")
    for bucket, weights in (report.get("weights") or {}).items():
        for source, weight in (weights or {}).items():
            yield ("weight", bucket, source, weight, "", "")
    for warning in report.get("warnings") or []:
        yield ("warning", "", "", warning, "", "")


def _slice_rows(slices: Mapping[str, Any], above: str) -> Iterator[tuple[object, ...]]:
    """A slice holds figures, or slices."""
    for name, values in slices.items():
        if not isinstance(values, dict):
            continue
        if any(isinstance(value, dict) for value in values.values()):
            yield from _slice_rows(values, f"{above}{name} ")
            continue
        for figure, value in values.items():
            yield ("slice", f"{above}{name}", figure, value, "", "")
