"""An experiment's results for spreadsheets: one row a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from recommender.algorithms.experiment_statistics import Interval
from recommender.experiment_results import Results

HEAD = ("part", "arm", "measure", "figure", "value", "low", "high", "p")


def results_csv(results: Results) -> str:
    """low and high: of the 95% interval, where there is one. Shares are 0..1."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    writer.writerows(_rows(results))
    return text.getvalue()


def _rows(results: Results) -> Iterator[tuple[object, ...]]:
    for arm in results.arms:
        yield ("arm", _safe(arm.name), "", "users", arm.users, "", "", "")
        yield ("arm", _safe(arm.name), "", "lists", arm.lists, "", "", "")
        for kind, one in arm.types.items():
            name = _safe(arm.name)
            yield ("arm", name, kind, "events", one.events, "", "", "")
            yield ("arm", name, kind, "users", one.share.count, "", "", "")
            yield ("arm", name, kind, "share of users", one.share.value, *_ends(one.interval), "")
            yield ("arm", name, kind, "events a user", one.a_user.value, *_ends(one.a_user.interval), "")
            yield ("arm", name, kind, "events a list", one.a_list.value, *_ends(one.a_list.interval), "")
        money = arm.revenue_a_user
        yield ("arm", _safe(arm.name), "purchase", "revenue", arm.revenue, "", "", "")
        yield ("arm", _safe(arm.name), "purchase", "revenue a user", money.value, *_ends(money.interval), "")
    for each in results.differences:
        arm_name = _safe(each.arm)
        yield ("difference", arm_name, each.measure, "ordinary", each.difference, *_ends(each.interval), each.p)
        yield ("difference", arm_name, each.measure, "any look", each.difference, *_ends(each.at_any_look), "")
    yield ("split", "", "", "p of the planned split", results.mismatch_p, "", "", "")
    yield ("split", "", "", "users in two arms", results.in_two, "", "", "")
    for day in results.days:
        for arm, share in zip(results.arms, day.shares, strict=True):
            if share is not None:
                yield (day.day.isoformat(), _safe(arm.name), results.measure, "users", share.n, "", "", "")
                yield (day.day.isoformat(), _safe(arm.name), results.measure, "share of users", share.value, "", "", "")


def _ends(interval: Interval | None) -> tuple[object, object]:
    return ("", "") if interval is None else (interval.low, interval.high)


def _safe(name: str) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t") else name
