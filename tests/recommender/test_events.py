from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from recommender.event_rows import EventRow, Rejection, parse_event
from recommender.events import record_events
from recommender.models import EndUser, Event
from tests.factories import EndUserFactory, EventFactory, ItemFactory

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def event(**changes: object) -> dict[str, object]:
    return {"user": "u1", "item": "i1", "type": "purchase", **changes}


def parsed(**changes: object) -> EventRow:
    row = parse_event(event(**changes), 0, now=NOW)
    assert isinstance(row, EventRow), row
    return row


def refused(payload: object) -> Rejection:
    row = parse_event(payload, 7, now=NOW)
    assert isinstance(row, Rejection), row
    return row


# ---------------------------------------------------------------- one event, by itself


def test_an_event_needs_only_user_item_and_type():
    assert parsed() == EventRow(0, None, "u1", "i1", "purchase", NOW, 1.0, None, "")


def test_every_field_is_read():
    row = parsed(event_id="e1", occurred_at="2026-02-01T10:00:00+08:00", value=2, price="0.94", basket="b1")
    assert row.event_id == "e1"
    assert row.occurred_at == datetime(2026, 2, 1, 2, 0, tzinfo=UTC)
    assert (row.value, row.price, row.basket) == (2.0, Decimal("0.94"), "b1")


@pytest.mark.parametrize("sent", ["2026-02-01T02:00:00Z", 1769911200, 1769911200.0, "1769911200", "1769911200.0"])
def test_times_are_iso_8601_with_a_zone_or_epoch_seconds(sent):
    assert parsed(occurred_at=sent).occurred_at == datetime(2026, 2, 1, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"user": ""}, "user", "user is missing"),
        ({"user": None}, "user", "user is missing"),
        ({"user": "   "}, "user", "user is missing"),
        ({"user": ["u1"]}, "user", "must be text, not list"),
        ({"user": "x" * 201}, "user", "201 characters; at most 200"),
        ({"user": "a\x00b"}, "user", "NUL"),
        ({"item": ""}, "item", "item is missing"),
        ({"item": True}, "item", "must be text, not bool"),
        ({"type": "buy"}, "type", "There is no event type 'buy'; it is one of view, click, add_to_cart"),
        ({"type": None}, "type", "type is missing"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at", "1970-01-01 is before 2000"),
        ({"occurred_at": 0}, "occurred_at", "1970-01-01 is before 2000"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at", "2999-01-01 is more than a day ahead"),
        ({"occurred_at": "9999-12-31T23:59:59-23:59"}, "occurred_at", "out of range"),
        ({"occurred_at": "2026-02-01T02:00:00"}, "occurred_at", "has no time zone; add Z"),
        ({"occurred_at": "20260201"}, "occurred_at", "has no time zone"),
        ({"occurred_at": 1769911200000}, "occurred_at", "looks like milliseconds"),
        ({"occurred_at": float("nan")}, "occurred_at", "not a finite number"),
        ({"occurred_at": 10**400}, "occurred_at", "not a finite number"),
        ({"occurred_at": "yesterday"}, "occurred_at", "'yesterday' is no time"),
        ({"occurred_at": True}, "occurred_at", "must be ISO 8601"),
        ({"value": float("nan")}, "value", "finite"),
        ({"value": "NaN"}, "value", "finite"),
        ({"value": float("inf")}, "value", "finite"),
        ({"value": 10**400}, "value", "must be a number"),
        ({"value": 0}, "value", "above 0"),
        ({"value": -1}, "value", "above 0"),
        ({"value": "two"}, "value", "must be a number, not 'two'"),
        ({"value": [1]}, "value", "must be a number, not list"),
        ({"type": "rate", "value": 6}, "value", "A rating is 1 to 5, not 6"),
        ({"type": "rate", "value": 0.5}, "value", "A rating is 1 to 5, not 0.5"),
        ({"type": "rate"}, "value", "needs its rating"),
        ({"price": -1}, "price", "price must be 0 to"),
        ({"price": "1e20"}, "price", "price must be 0 to"),
        ({"price": "12,99"}, "price", "must be a number"),
        ({"event_id": "x" * 201}, "event_id", "at most 200"),
        ({"basket": "x" * 101}, "basket", "at most 100"),
        ({"user_id": "u1"}, "user_id", "There is no field 'user_id'; did you mean user?"),
        ({"colour": "red"}, "colour", "an event has event_id, user, item"),
    ],
)
def test_what_is_wrong_names_the_field_and_what_would_be_right(changes, field, words):
    rejection = refused(event(**changes))
    assert (rejection.row, rejection.field) == (7, field)
    assert words in rejection.message


@pytest.mark.parametrize("payload", [None, 3, "purchase", ["u1", "i1"]])
def test_what_is_no_object_is_refused(payload):
    assert "An event is an object" in refused(payload).message


def test_the_limits_themselves_are_allowed():
    assert parsed(occurred_at="2000-01-01T00:00:00Z").occurred_at.year == 2000
    assert parsed(occurred_at=(NOW + timedelta(days=1)).isoformat()).occurred_at == NOW + timedelta(days=1)
    assert parsed(type="rate", value=1).value == 1.0
    assert parsed(type="rate", value=5).value == 5.0
    assert parsed(price=0).price == Decimal("0.00")
    assert len(parsed(user="x" * 200).user) == 200


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


@given(
    st.fixed_dictionaries(
        {"user": ANYTHING, "item": ANYTHING, "type": ANYTHING | st.sampled_from(Event.Type.values)},
        optional=dict.fromkeys(("event_id", "occurred_at", "value", "price", "basket"), ANYTHING),
    )
)
def test_whatever_is_sent_becomes_a_storable_row_or_a_rejection_of_one_of_its_fields(payload):
    row = parse_event(payload, 3, now=NOW)
    if isinstance(row, Rejection):
        assert row.field in payload or row.field == "value"  # a rate event may lack its value
        assert row.message
        return
    assert 0 < len(row.user) <= 200 and 0 < len(row.item) <= 200 and len(row.basket) <= 100
    assert row.type in Event.Type.values
    assert datetime(2000, 1, 1, tzinfo=UTC) <= row.occurred_at <= NOW + timedelta(days=1)
    assert 0 < row.value <= 1_000_000
    assert row.price is None or 0 <= row.price < 10**10


# ---------------------------------------------------------------- recording


@pytest.mark.django_db
def test_an_accepted_event_is_stored_with_everything_that_was_sent():
    item = ItemFactory(external_id="i1")
    user = EndUserFactory(external_id="u1")
    sent = event(
        event_id="e1", occurred_at="2026-02-01T02:00:00Z", value=2, price="0.94", basket="b1", type="add_to_cart"
    )
    report = record_events([sent])
    assert (report.accepted, report.duplicates, report.rejected) == (1, (), ())
    stored = Event.objects.get()
    assert (stored.external_id, stored.user_id, stored.item_id, stored.type) == ("e1", user.pk, item.pk, "add_to_cart")
    assert (stored.value, stored.price, stored.basket) == (2.0, Decimal("0.94"), "b1")
    assert stored.occurred_at == datetime(2026, 2, 1, 2, 0, tzinfo=UTC)
    assert timezone.now() - stored.received_at < timedelta(minutes=1)


@pytest.mark.django_db
def test_a_user_nobody_knows_is_created_and_an_unknown_item_is_rejected_by_name():
    ItemFactory(external_id="i1")
    report = record_events([event(user="new"), event(user="other", item="i-404", event_id="e2")])
    assert report.accepted == 1
    (rejection,) = report.rejected
    assert (rejection.row, rejection.external_id, rejection.field) == (1, "e2", "item")
    assert "There is no item 'i-404'" in rejection.message
    assert set(EndUser.objects.values_list("external_id", flat=True)) == {"new"}


@pytest.mark.django_db
def test_valid_events_are_kept_beside_invalid_ones():
    ItemFactory(external_id="i1")
    report = record_events([event(type="buy"), event(), event(value=-1), event(item="i-404")])
    assert report.accepted == 1
    assert [rejection.row for rejection in report.rejected] == [0, 2, 3]
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_a_repeated_event_id_is_stored_once_across_calls_and_within_one():
    ItemFactory(external_id="i1")
    first = record_events([event(event_id="e1"), event(event_id="e1", value=5), event(event_id="e2")])
    assert (first.accepted, first.duplicates) == (2, ("e1",))
    again = record_events([event(event_id="e2", value=9), event(event_id="e3")])
    assert (again.accepted, again.duplicates) == (1, ("e2",))
    assert dict(Event.objects.values_list("external_id", "value")) == {"e1": 1.0, "e2": 1.0, "e3": 1.0}


@pytest.mark.django_db
def test_events_without_an_id_are_all_stored():
    ItemFactory(external_id="i1")
    assert record_events([event(), event()]).accepted == 2


@pytest.mark.django_db
def test_ids_are_given_in_the_order_sent():
    ItemFactory(external_id="i1")
    record_events([event(event_id=f"e{number}") for number in (3, 1, 2)])
    assert list(Event.objects.order_by("id").values_list("external_id", flat=True)) == ["e3", "e1", "e2"]


@pytest.mark.django_db
def test_the_users_newest_event_moves_forward_and_never_back():
    item = ItemFactory(external_id="i1")
    user = EndUserFactory(external_id="u1")
    newest = EventFactory(user=user, item=item, occurred_at=datetime(2026, 2, 1, tzinfo=UTC))
    record_events([event(occurred_at="2025-01-01T00:00:00Z")])
    user.refresh_from_db()
    late_id = Event.objects.order_by("-id").values_list("pk", flat=True).first()
    assert late_id is not None and late_id > newest.pk
    assert (user.last_event_id, user.last_event_at) == (late_id, datetime(2026, 2, 1, tzinfo=UTC))
    assert not user.interests_are_current
    assert list(EndUser.objects.stale()) == [user]


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_number_of_events(django_assert_max_num_queries):
    ItemFactory(external_id="i1")
    with django_assert_max_num_queries(8):
        record_events([event(event_id=f"e{number}", user=f"u{number % 7}") for number in range(500)])
    assert Event.objects.count() == 500


@pytest.mark.django_db
def test_one_bell_is_rung_for_each_user_on_commit(rung, django_capture_on_commit_callbacks):
    ItemFactory(external_id="i1")
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        record_events([event(user="u1"), event(user="u2"), event(user="u1"), event(user="u3", item="i-404")])
        assert rung("events") == []
    assert len(callbacks) == 1
    expected = EndUser.objects.filter(external_id__in=["u1", "u2"]).order_by("pk").values_list("pk", flat=True)
    assert rung("events") == [[pk] for pk in expected]


@pytest.mark.django_db
def test_nothing_is_rung_where_nothing_is_new(rung, django_capture_on_commit_callbacks):
    ItemFactory(external_id="i1")
    record_events([event(event_id="e1")])
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        record_events([event(event_id="e1"), event(type="buy")])
    assert callbacks == []
    assert rung("events") == []


@pytest.mark.django_db
def test_a_broker_that_is_away_loses_no_event(broker_away, caplog, django_capture_on_commit_callbacks):
    ItemFactory(external_id="i1")
    with django_capture_on_commit_callbacks(execute=True):
        report = record_events([event(user="u1"), event(user="u2")])
    assert report.accepted == 2
    assert Event.objects.count() == 2
    assert {user.external_id for user in EndUser.objects.stale()} == {"u1", "u2"}
    warnings = [record.getMessage() for record in caplog.records if "bell_not_rung" in record.getMessage()]
    assert len(warnings) == 1


# ---------------------------------------------------------------- at the same time


def _at_once(*calls):
    """Run the calls in threads that start together; returns their results. A failed one raises here."""
    results: list[object] = [None] * len(calls)
    together = threading.Barrier(len(calls))

    def run(position: int) -> None:
        try:
            together.wait(timeout=10)
            results[position] = calls[position]()
        except Exception as error:  # noqa: BLE001  (raised again below)
            results[position] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


@pytest.mark.django_db(transaction=True)
def test_the_same_event_sent_by_two_at_once_is_stored_once():
    ItemFactory(external_id="i1")
    batch = [event(event_id=f"e{number}") for number in range(50)]
    reports = _at_once(*(lambda: record_events(batch, ring=False) for _ in range(4)))
    assert Event.objects.count() == 50
    assert sum(report.accepted for report in reports) == 50
    assert sum(len(report.duplicates) for report in reports) == 150


@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_users_in_opposite_order_do_not_deadlock():
    ItemFactory(external_id="i1")
    users = [f"u{number}" for number in range(40)]
    forward = [event(user=user) for user in users]
    reports = _at_once(
        *(lambda: record_events(forward, ring=False) for _ in range(3)),
        *(lambda: record_events(forward[::-1], ring=False) for _ in range(3)),
    )
    assert sum(report.accepted for report in reports) == 240
    newest = dict(Event.objects.order_by("user_id", "id").values_list("user_id", "id"))
    assert dict(EndUser.objects.values_list("pk", "last_event_id")) == newest
