"""The days that a page is about: read from its address, in the reader's zone, carried to other pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from django.utils import timezone

from recsite.operations.date_range import MOST_DAYS, as_dates, carried, kept_days, read_range


def test_a_preset_ends_today_and_is_its_own_query() -> None:
    found = read_range(QueryDict("days=7"))
    assert (found.preset, found.days, found.last, found.query) == (7, 7, timezone.localdate(), "days=7")
    assert found.each_day[0] == timezone.localdate() - timedelta(days=6)


@pytest.mark.parametrize("query", ["", "days=8", "days=x", "from=31.12.2026", "from=2026-02-30", "to=9999-01-01"])
def test_nonsense_gives_the_default(query: str) -> None:
    assert read_range(QueryDict(query)).preset == 28


def test_chosen_dates_are_kept_swapped_where_they_are_the_wrong_way_round_and_cut_where_too_long() -> None:
    found = read_range(QueryDict("from=2026-03-09&to=2026-03-02&days=7"))
    assert (found.first, found.last, found.preset) == (date(2026, 3, 2), date(2026, 3, 9), None)
    assert found.query == "from=2026-03-02&to=2026-03-09"
    assert read_range(QueryDict("from=2001-01-01&to=2026-03-02")).days == MOST_DAYS


def test_days_begin_at_midnight_of_the_current_zone_also_where_the_clock_changes() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        found = read_range(QueryDict("from=2026-03-29&to=2026-03-29"))
        assert found.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert found.end - found.start == timedelta(days=1)  # on the wall
        assert found.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_only_an_address_that_names_days_hands_them_on() -> None:
    assert carried(QueryDict("q=x")) == ""
    assert carried(QueryDict("q=x&days=90")) == "days=90"


def asked(query: str, session: dict[str, str]) -> str:
    request = RequestFactory().get(f"/?{query}")
    request.session = session  # type: ignore[assignment]
    return kept_days(request).urlencode()


def test_what_an_address_names_is_kept_until_another_names_other_days_or_none() -> None:
    session: dict[str, str] = {}
    assert (asked("q=x", session), session) == ("", {})
    assert asked("days=7", session) == asked("", session) == "days=7"
    assert asked("from=2026-03-02&to=", session) == asked("q=y", session) == "from=2026-03-02"
    assert asked("from=2026-01-01&to=2026-01-02&after=x", session) == "from=2026-01-01&to=2026-01-02"
    assert asked("", session) == "from=2026-03-02"  # a next page is no choice of days
    assert asked("from=nonsense", session) == ""
    assert asked("", session) == "from=2026-03-02"
    assert asked("user=u&from=&to=", session) == ""
    assert (asked("", session), session) == ("", {})


def test_the_dates_of_a_preset_do_not_take_its_place() -> None:
    session = {"days_shown": "days=7"}
    dates = as_dates(QueryDict("days=7"))
    assert dates == {
        "from": (timezone.localdate() - timedelta(days=6)).isoformat(),
        "to": timezone.localdate().isoformat(),
    }
    asked(f"from={dates['from']}&to={dates['to']}", session)
    assert session == {"days_shown": "days=7"}


def test_a_place_one_came_from_is_no_day() -> None:
    assert carried(QueryDict("from=focus")) == ""
