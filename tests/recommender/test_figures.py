"""Counts by hour: what is kept, what is counted live, and that both give what the events say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from recommender import figures, findings, upkeep
from recommender.models import Event, Finding, HourlyFigure, Slate
from recsite.operations.models import Job
from tests.factories import EndUserFactory, EventFactory, ItemFactory, SlateFactory, SlateItemFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 20, 12, 30, tzinfo=UTC)


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC)


def recount(now: datetime = NOW) -> figures.Due:
    due = figures.due(now)
    assert due is not None
    figures.recount(due, now=now)
    return due


def events_by_day(now: datetime = NOW) -> dict[date, dict[str, float]]:
    return figures.counts("event", at(1, 0), at(31, 0), known=figures.mark(), now=now).days


def slate(user, item, served_at: datetime, took_ms: float = 10.0) -> Slate:
    made = SlateFactory(user=user, took_ms=took_ms)
    SlateItemFactory(slate=made, item=item, position=1)
    Slate.objects.filter(pk=made.pk).update(served_at=served_at)
    return made


def test_kept_and_live_hours_together_say_what_the_events_say() -> None:
    for moment in (at(18), at(19, 23, 59), at(20, 12, 10)):
        EventFactory(occurred_at=moment)
    live = events_by_day()
    assert live == {date(2026, 5, day): {"purchase": 1.0} for day in (18, 19, 20)}
    recount()
    assert HourlyFigure.objects.filter(kind="event").count() == 2  # the hour that is not over yet is not kept
    assert events_by_day() == live
    mark = figures.mark()
    assert mark is not None
    assert mark.until == at(20, 12)


def test_counting_again_changes_nothing_and_counts_late_events_where_they_happened() -> None:
    EventFactory(occurred_at=at(2))
    recount()
    before = list(HourlyFigure.objects.order_by("kind", "hour").values_list("kind", "hour", "key", "value"))
    recount()
    assert list(HourlyFigure.objects.order_by("kind", "hour").values_list("kind", "hour", "key", "value")) == before
    EventFactory(occurred_at=at(3), type="view")
    assert recount().since == at(2)
    assert events_by_day()[date(2026, 5, 3)] == {"view": 1.0}


def test_an_erased_users_events_are_gone_from_the_figures_after_a_day() -> None:
    gone = EventFactory(occurred_at=at(1))
    EventFactory(occurred_at=at(1))
    recount()
    gone.user.delete()
    later = NOW + timedelta(days=1, minutes=1)
    assert recount(later).is_full
    assert events_by_day(later)[date(2026, 5, 1)] == {"purchase": 1.0}


def test_days_begin_at_midnight_of_the_readers_zone() -> None:
    EventFactory(occurred_at=at(18, 23))
    recount()
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert list(events_by_day()) == [date(2026, 5, 19)]
    assert list(events_by_day()) == [date(2026, 5, 18)]


def test_the_funnel_counts_items_of_lists_within_72_hours_before_and_each_event_once() -> None:
    user, item, other = EndUserFactory(), ItemFactory(), ItemFactory()
    for served_at in (at(10, 9), at(10, 10)):
        slate(user, item, served_at)
    for kind, of, moment in (
        ("impression", item, at(10, 11)),
        ("click", item, at(13, 9, 59)),
        ("click", item, at(13, 10, 1)),  # 72 hours after the last list
        ("click", item, at(10, 8)),  # before any list
        ("click", other, at(10, 11)),  # was on no list
        ("view", item, at(10, 11)),  # is no step
    ):
        EventFactory(user=user, item=of, type=kind, occurred_at=moment)
    EventFactory(item=item, type="purchase", occurred_at=at(10, 11))  # somebody else's
    expected = {"impression": 1.0, "click": 1.0}
    assert figures.counts("funnel", at(1, 0), at(31, 0), known=None, now=NOW).sums == expected
    recount()
    assert figures.counts("funnel", at(1, 0), at(31, 0), known=figures.mark(), now=NOW).sums == expected


def test_what_lists_said_stays_when_the_lists_are_deleted() -> None:
    user, item = EndUserFactory(), ItemFactory()
    old = slate(user, item, at(1))
    slate(user, item, at(15))
    EventFactory(user=user, item=item, occurred_at=at(1, 13))
    recount()
    old.delete()
    recount(NOW + timedelta(days=2))
    kept = HourlyFigure.objects.filter(kind="list").order_by("hour").values_list("hour", "value")
    assert list(kept) == [(at(1), 1.0), (at(15), 1.0)]


def test_a_median_read_from_steps_is_within_five_percent() -> None:
    user, item = EndUserFactory(), ItemFactory()
    for took_ms in (20.0, 100.0, 300.0):
        slate(user, item, at(15), took_ms=took_ms)
    recount()
    sums = figures.counts("list_time", at(1, 0), at(31, 0), known=figures.mark(), now=NOW).sums
    assert figures.percentile(sums, 0.5) == pytest.approx(100.0, rel=0.05)
    assert figures.percentile(sums, 0.95) == pytest.approx(300.0, rel=0.05)
    assert figures.percentile({}, 0.5) is None


def test_too_many_uncounted_events_are_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_LIVE", 1)
    for _ in range(2):
        EventFactory(occurred_at=at(18))
    found = figures.counts("event", at(1, 0), at(31, 0), known=None, now=NOW)
    assert (found.days, found.is_cut, found.as_of) == ({}, True, at(1, 0))


def test_counting_far_back_is_a_job_and_the_newest_days_are_counted_at_once() -> None:
    EventFactory(occurred_at=timezone.now() - timedelta(days=30))
    assert upkeep.refresh_figures() == 0
    assert list(Job.objects.values_list("kind", "status")) == [("count_figures", "queued")]
    assert figures.mark() is None
    Job.objects.all().delete()
    Event.objects.all().delete()
    EventFactory(occurred_at=timezone.now() - timedelta(days=1))
    assert upkeep.refresh_figures() > 0
    assert set(Finding.objects.values_list("name", flat=True)) == {"figures", *findings.COMPUTED}
    assert findings.refresh_due() == []


def test_a_large_shops_findings_are_those_the_worker_left(monkeypatch: pytest.MonkeyPatch) -> None:
    ItemFactory(price=None)
    assert findings.is_small()
    assert findings.current("checks", small=True) is not None
    assert findings.current("checks", small=False) is None
    findings.refresh("checks")
    found = findings.current("checks", small=False)
    assert found is not None
    assert [one.failing for one in findings.checks_of(found) if one.key == "no_price"] == [1]
    monkeypatch.setattr(findings, "SMALL_ITEMS", 0)
    assert not findings.is_small()
