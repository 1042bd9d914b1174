"""The recommender's pages: home, search, and the parts of an item's page that know events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from catalog.labelling import LabellingCounts, ModelStatus
from catalog.models import AutoAccept
from recommender import attention
from recommender import overview as overviews
from recommender.attention import needs_attention
from recommender.explanations import ScorePart
from recommender.models import EndUser, Event, Slate
from recommender.score_bars import Scale, scale_of, segments
from recommender.templatetags.scores import linked_words
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    LabelRequestFactory,
    SlateFactory,
    TaxonomyFactory,
    axis,
)
from tests.pages import assert_guarded, queries_of, staff_client, text_of

pytestmark = pytest.mark.django_db
READY = ModelStatus("ready", "qwen", "")


def at(day: int, hour: int = 12, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


# ---------------------------------------------------------------- who may look


def test_the_recommenders_pages_are_for_staff() -> None:
    event = EventFactory(user=EndUserFactory(external_id="shop/7 é"), item=ItemFactory(vector=axis(0)))
    user, item = event.user.pk, event.item.pk
    for address in (
        *("/", "/events-chart/", "/search/?q=wheat", "/search/items/?item=wheat", "/users/", "/users/shop/7%20%C3%A9/"),
        *("/users/nobody/", "/user-parts/list/?user=u", f"/user-parts/{user}/timeline/"),
        *(f"/user-parts/{user}/interests/", f"/user-parts/{user}/freshness/"),
        *(f"/items/{item}/next/", f"/items/{item}/activity/"),
    ):
        assert_guarded(address)


# ---------------------------------------------------------------- home


def test_a_fresh_home_names_the_missing_input_and_shows_the_import_that_brings_it() -> None:
    client = staff_client()
    assert "POST /api/v1/items/" in text_of(client.get("/"))
    JobFactory(title="Load the demo shop", status="running", total=100, done=37, started_at=timezone.now())
    words = text_of(client.get("/"))
    assert "The first items are on their way" in words
    assert "Load the demo shop" in words
    assert "37%" in words


def test_home_takes_as_many_queries_for_many_rows_as_for_few() -> None:
    EventFactory()
    ItemLabelFactory()
    client = staff_client()
    few = queries_of(client, "/")
    for day in range(1, 20):
        EventFactory(occurred_at=at(day))
        ItemLabelFactory()
        JobFactory(status="failed")
    assert queries_of(client, "/") == few
    assert few <= 32


def test_attention_counts_what_waits_and_says_nothing_where_all_is_well() -> None:
    assert needs_attention(LabellingCounts(0, 0, 0, 0), READY) == ()
    JobFactory(status="failed")
    user = EventFactory(item=ItemFactory(vector=True)).user
    ItemLabelFactory(item=ItemFactory(vector=True))
    ItemLabelFactory(item=ItemFactory(vector=True), decision="accepted")
    ItemFactory()
    off = ModelStatus("off", "", "The language model is switched off.")
    counts = LabellingCounts(pending=2, provisional=1_000, done=5, failed=0)
    assert "2 labellings are not final" in [one.title for one in needs_attention(counts, off)]
    unreachable = ModelStatus("unreachable", "qwen", "No answer from 127.0.0.1.")
    found = needs_attention(LabellingCounts(pending=2, provisional=1_000, done=5, failed=1), unreachable)
    assert [one.title for one in found] == [
        "1 job failed",
        "The language model cannot be reached",
        "1 item could not be labelled",
        "1 label waits for review",
        "1 item has no current vector",
        "1,002 labellings are not final",
        "1 user's interests are behind",
    ]
    EndUser.objects.filter(pk=user.pk).update(interests_event_id=user.last_event_id)
    assert "behind" not in str(needs_attention(LabellingCounts(0, 0, 0, 0), READY))


def test_home_says_that_labels_are_provisional_while_the_model_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    ItemFactory()
    status = ModelStatus("loading", "qwen", "412 of 1,065 MB")
    monkeypatch.setattr("catalog.labelling.model_status", lambda: status)
    words = text_of(staff_client().get("/"))
    assert "The language model is still being downloaded." in words
    assert "412 of 1,065 MB" in words


def test_figures_compare_the_newest_days_with_events_with_those_before_and_leave_today_out() -> None:
    user, other = EndUserFactory.create_batch(2)
    item = ItemFactory()
    for day in range(1, 29):  # 14 days of one event, then 14 days of three by two users
        for each in [user] if day <= 14 else [user, user, other]:
            EventFactory(user=each, item=item, occurred_at=at(day))
    EventFactory(user=user, item=item, occurred_at=timezone.now())
    events, active = overviews.overview().tiles[:2]
    assert (events.value, events.before, len(events.days)) == (3.0, 1.0, 28)
    assert (active.value, active.before) == (2.0, 1.0)


def test_figures_of_lists_are_counted_by_day_with_the_median_time() -> None:
    for hours, took_ms in ((30, 10.0), (30, 20.0), (30, 90.0), (0, 500.0)):
        slate = SlateFactory(took_ms=took_ms)
        Slate.objects.filter(pk=slate.pk).update(served_at=timezone.now() - timedelta(hours=hours))
    lists, median = overviews.overview().tiles[2:]
    assert (lists.value, median.value, median.unit) == (3.0, 20.0, "ms")


def test_labelling_is_shown_as_shares_of_all_requests() -> None:
    for status, n in (("done", 5), ("provisional", 3), ("pending", 2)):
        for _ in range(n):
            LabelRequestFactory(status=status)
    labelled = overviews.overview().labelled
    assert labelled.share_labelled == 0.8
    assert labelled.percentages == {"by_model": "50.00%", "by_embedding": "30.00%", "failed": "0.00%"}


def test_days_with_events_are_found_by_skipping_from_one_to_the_next() -> None:
    for day, n in ((1, 2), (2, 1), (20, 3)):
        for _ in range(n):
            EventFactory(occurred_at=at(day))
    assert Event.objects.all().newest_active_days(2) == [at(20, 0), at(2, 0)]


def test_search_finds_items_users_and_labels() -> None:
    ItemFactory(title="Rye bread", external_id="sku-9")
    EndUserFactory(external_id="ryeberg")
    LabelFactory(name="Rye and spelt")
    page = staff_client().get("/search/?q=rye").content.decode()
    assert 'href="/catalog/sku-9/"' in page
    assert 'href="/users/ryeberg/"' in page
    assert "Rye and spelt" in page
    assert "Nothing found" in staff_client().get("/search/?q=zzzqqq").content.decode()
    assert staff_client().get("/search/?q=").content.strip() == b""


# ---------------------------------------------------------------- score bars, words


def part(source: str, contribution: float) -> SimpleNamespace:
    return SimpleNamespace(source=source, contribution=contribution)


def test_score_bars_share_one_scale_and_negative_parts_lie_left_of_zero() -> None:
    first = [part("neighbours", 2.0), part("new", -1.0)]
    second = [part("popular", 1.0), part("interest", 2.0)]
    scale = scale_of([first, second])
    assert scale == Scale(negative=1.0, positive=3.0)
    assert scale.zero == 25.0
    assert [(s.left, s.width) for s in segments(first, scale)] == [(25.0, 50.0), (0.0, 25.0)]
    assert [(s.left, s.width) for s in segments(second, scale)] == [(25.0, 25.0), (50.0, 50.0)]


def test_score_bars_of_nothing_are_empty() -> None:
    assert scale_of([]).zero == 0.0
    assert segments([part("new", 0.0)], scale_of([[part("new", 0.0)]])) == ()


def test_the_words_of_a_part_link_what_they_name_and_escape_the_rest() -> None:
    evidence = {"items": [{"external_id": "a/1", "title": "Milk <1%>"}], "label": "Dairy", "label_id": 7}
    said = ScorePart("label_affinity", 1, 1, 1, 1, evidence, "Fits the interest in Dairy: Milk <1%> & more.")
    assert linked_words(said) == (
        'Fits the interest in <a href="/catalog/?label=7">Dairy</a>: '
        '<a href="/catalog/a/1/">Milk &lt;1%&gt;</a> &amp; more.'
    )


def test_an_interest_is_not_linked_to_an_item_whose_title_only_begins_its_name() -> None:
    bread = {"external_id": "b", "title": "Bread, 24 oz"}
    said = ScorePart(
        source="interest",
        raw=1.0,
        z=1.0,
        weight=1.0,
        contribution=1.0,
        evidence={"medoid": "Bread, 24 oz (store brand)", "items": [bread]},
        words="Resembles what was taken before: Bread, 24 oz (store brand); Bread, 24 oz.",
    )
    assert linked_words(said) == (
        'Resembles what was taken before: Bread, 24 oz (store brand); <a href="/catalog/b/">Bread, 24 oz</a>.'
    )


def test_home_says_where_auto_accept_stopped_and_whose_confidence_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_calibration", None)
    label = LabelFactory(taxonomy=TaxonomyFactory(slug="aisle", name="Aisle"))
    AutoAccept.objects.create(taxonomy=label.taxonomy, state="stopped", reason="Of 22 audits 20 were right.")
    AutoAccept.objects.create(taxonomy=TaxonomyFactory(is_active=False), state="stopped")
    for _ in range(200):
        ItemLabelFactory(label=label, decision="rejected", confidence=0.9, decided_at=timezone.now())
    found = {one.title: one for one in needs_attention(LabellingCounts(0, 0, 0, 0), READY)}
    stopped = found["Auto-accept of Aisle has stopped"]
    assert (stopped.detail, stopped.address) == ("Of 22 audits 20 were right.", "/taxonomies/aisle/confidence/")
    assert "90 points apart on average, over 200 decisions" in found["Confidence of Aisle is off"].detail
    assert len([title for title in found if "Auto-accept" in title]) == 1
