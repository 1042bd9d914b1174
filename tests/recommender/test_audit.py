"""The audit of slates: filters, pages in bounded time, one slate in words, and what followed."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender import slate_filters
from recommender.audit import find_slate, served
from recommender.models import Event, Experiment, Slate
from recommender.slate_filters import SlateFilters, filters_from, page_of_slates
from recommender.slates import recommend
from recsite.operations.errors import NotFoundError
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    SlateFactory,
    SlateItemFactory,
    StrategyFactory,
)
from tests.pages import assert_guarded, change_url, queries_of, staff_client, text_of
from tests.recommender.audited_shop import open_shop, publish, take

pytestmark = pytest.mark.django_db


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def slate_of(day: int = 1, hour: int = 12, **values: object) -> Slate:
    slate = SlateFactory(**values)
    Slate.objects.filter(pk=slate.pk).update(served_at=at(day, hour))
    slate.refresh_from_db()
    return slate


def found(**asked: str) -> list[Slate]:
    return list(page_of_slates(filters_from({name.rstrip("_"): value for name, value in asked.items()})).rows)


def test_every_filter_narrows_and_the_newest_comes_first() -> None:
    user, item, strategy = EndUserFactory(external_id="u1"), ItemFactory(external_id="i1"), StrategyFactory()
    experiment = Experiment.objects.create(name="a test", salt="s", state="running")
    mine, shown = slate_of(1, user=user), slate_of(2)
    SlateItemFactory(slate=shown, item=item)
    by_strategy = slate_of(3, strategy=strategy)
    ruled = slate_of(4, details={"rules": [{"id": 41, "name": "x"}, {"id": 7, "name": "y"}]})
    placed = slate_of(5, placement="home")
    in_arm = slate_of(6, experiment=experiment, arm="b")
    everything = [in_arm, placed, ruled, by_strategy, shown, mine]
    assert found() == everything
    assert found(user="u1") == [mine]
    assert found(item="i1") == [shown]
    assert found(strategy=str(strategy.pk)) == [by_strategy]
    assert found(rule="7") == [ruled]
    assert found(rule="8") == []
    assert found(placement="home") == [placed]
    assert found(experiment=str(experiment.pk), arm="b") == [in_arm]
    assert found(arm="a") == []
    assert found(from_="2026-03-02", to="2026-03-04") == [ruled, by_strategy, shown]


def test_days_are_those_of_the_staff_members_time_zone() -> None:
    late = slate_of(1, hour=23)
    with timezone.override("Asia/Shanghai"):
        assert found(from_="2026-03-02") == [late]
        assert found(to="2026-03-01") == []
    assert found(from_="2026-03-02") == []
    assert found(to="2026-03-01") == [late]


def test_a_user_nobody_knew_is_found_by_the_id_that_was_asked_for() -> None:
    stranger = slate_of(1, user=None, user_external_id="stranger")
    slate_of(2, user=None, user_external_id="another")
    assert found(user="stranger") == [stranger]


@pytest.mark.parametrize("asked", [{"strategy": "x"}, {"rule": "-1"}, {"from": "2026-02-30"}, {"after": "x~y"}])
def test_nonsense_in_the_address_is_as_if_it_were_not_there(asked: dict[str, str]) -> None:
    slate = slate_of()
    assert list(page_of_slates(filters_from(asked), after=asked.get("after", "")).rows) == [slate]


def test_pages_go_on_by_key_so_that_new_slates_shift_nothing_and_equal_times_lose_none() -> None:
    slates = [slate_of(1) for _ in range(60)]
    seen: list[Slate] = []
    page = page_of_slates(SlateFilters())
    seen += page.rows
    slate_of(2)
    while page.after:
        page = page_of_slates(SlateFilters(), after=page.after)
        seen += page.rows
    assert seen == sorted(slates, key=lambda slate: -slate.pk)


def test_what_no_index_finds_is_looked_through_in_windows_that_miss_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slate_filters, "LOOKED_THROUGH", 4)
    slates = [slate_of(20 - n, placement="home" if n in (1, 9) else "") for n in range(10)]
    first = page_of_slates(SlateFilters(placement="home"))
    assert list(first.rows) == [slates[1]]
    assert first.looked_since == slates[3].served_at
    second = page_of_slates(SlateFilters(placement="home"), after=first.after)
    assert list(second.rows) == []
    third = page_of_slates(SlateFilters(placement="home"), after=second.after)
    assert (list(third.rows), third.after) == ([slates[9]], "")


def test_an_unknown_item_is_a_reason_not_an_empty_list() -> None:
    slate_of()
    assert page_of_slates(SlateFilters(item="i99")).problem == "There is no item “i99” in the catalog."
    assert "There is no item “i99” in the catalog." in text_of(staff_client().get("/audit/?item=i99"))


def test_the_pages_are_for_staff_and_an_unknown_slate_is_not_found() -> None:
    slate = slate_of()
    for address in ("/audit/", f"/audit/{slate.public_id}/", "/audit/diff/", f"/audit/{slate.public_id}/replay/"):
        assert_guarded(address)
    assert staff_client().get(f"/audit/{uuid4()}/").status_code == 404
    with pytest.raises(NotFoundError, match="past the time"):
        find_slate(uuid4())


def test_the_list_says_what_is_missing_where_it_is_empty() -> None:
    assert "No list was served yet" in text_of(staff_client().get("/audit/"))
    slate_of()
    assert "No list matches" in text_of(staff_client().get("/audit/?to=2020-01-01"))


def test_the_number_of_queries_is_the_same_for_one_slate_and_for_many() -> None:
    client = staff_client()
    slate = slate_of()
    SlateItemFactory(slate=slate)
    one = queries_of(client, "/audit/")
    detail = queries_of(client, f"/audit/{slate.public_id}/")
    for _ in range(12):
        SlateItemFactory(slate=slate)
        SlateItemFactory(slate=slate_of())
    assert queries_of(client, "/audit/") == one
    assert queries_of(client, f"/audit/{slate.public_id}/") == detail


def test_a_slate_says_all_that_was_stored_of_it() -> None:
    items = open_shop()
    publish("boost", "More baking", scope={"items": [items[12].external_id]}, strength=8.0)
    publish("pin", "First", scope={"items": [items[29].external_id]}, position=1)
    made = recommend("u0", n=5, placement="home", repeats="allow")
    assert made.slate_id is not None
    shown = served(find_slate(made.slate_id))
    assert [each.item for each in shown.items] == [ranked.item for ranked in made.items]
    assert [each.sentences for each in shown.items] == [ranked.sentences for ranked in made.items]
    assert [each.score for each in shown.items] == [pytest.approx(ranked.score) for ranked in made.items]
    assert {rule.name for rule in shown.rules} == {"More baking", "First"}
    words = text_of(staff_client().get(f"/audit/{made.slate_id}/"))
    for expected in ("pinned it to place 1", "raised it by", "home", "allowed", "default v1", "test-embedder"):
        assert expected in words, expected


def test_an_explored_item_is_shown_with_the_probability_of_its_draw() -> None:
    slate = slate_of()
    SlateItemFactory(slate=slate, propensity=0.125)
    assert "explored, drawn with 12%" in text_of(staff_client().get(f"/audit/{slate.public_id}/"))


def test_what_followed_counts_within_72_hours_and_only_of_that_user_and_those_items() -> None:
    slate = slate_of(user=EndUserFactory())
    row = SlateItemFactory(slate=slate)
    for kind, hours in (("impression", 0), ("click", 1), ("purchase", 71), ("click", 2), ("click", 73), ("view", 1)):
        EventFactory(user=slate.user, item=row.item, type=kind, occurred_at=slate.served_at + timedelta(hours=hours))
    EventFactory(user=slate.user, type="click", occurred_at=slate.served_at + timedelta(hours=1))
    EventFactory(item=row.item, type="add_to_cart", occurred_at=slate.served_at + timedelta(hours=1))
    EventFactory(user=slate.user, item=row.item, type="click", occurred_at=slate.served_at - timedelta(hours=1))
    (shown,) = served(find_slate(slate.public_id)).items
    assert [(each.kind, each.times) for each in shown.followed] == [("impression", 1), ("click", 2), ("purchase", 1)]
    assert Event.objects.count() == 9


def test_a_deleted_item_leaves_a_gap_that_is_told() -> None:
    items = open_shop()
    made = recommend("u0", n=5)
    assert made.slate_id is not None
    made.items[4].item.delete()
    assert served(find_slate(made.slate_id)).missing == 1
    assert "1 item was deleted for good since." in text_of(staff_client().get(f"/audit/{made.slate_id}/"))
    assert len(items) == 30


def test_replay_and_diff_are_said_in_words_and_store_nothing() -> None:
    open_shop()
    first, second = recommend("u0", n=5).slate_id, recommend("u1", n=5).slate_id
    client = staff_client()
    assert text_of(client.get(f"/audit/{first}/replay/")).count("The same list, the same scores.") == 2
    for address in (f"/audit/diff/?a={first}&b={second}", f"/audit/diff/?slate={first}&slate={second}"):
        assert "The lists are of two users, u0 and u1." in text_of(client.get(address))
    assert "Tick two lists" in text_of(client.get(f"/audit/diff/?slate={first}"))
    assert "no slate that is kept" in text_of(client.get(f"/audit/diff/?a={first}&b=nonsense"))
    assert "no slate that is kept" in text_of(client.get(f"/audit/diff/?a={first}&b={uuid4()}"))
    assert Slate.objects.count() == 2


def test_a_replay_of_many_items_takes_no_more_queries_than_one_of_few() -> None:
    open_shop()
    client = staff_client()

    def queries(n: int) -> int:
        address = f"/audit/{recommend('u0', n=n).slate_id}/replay/"
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    queries(3)
    assert queries(3) == queries(12)


def test_an_older_slate_that_recorded_less_is_shown_and_compared() -> None:
    open_shop()
    slate = recommend("u0", n=5).slate_id
    Slate.objects.update(versions={"strategy": "default v1"}, details={}, request={})
    client = staff_client()
    assert client.get(f"/audit/{slate}/").status_code == 200
    assert client.get(f"/audit/{slate}/replay/").status_code == 200


def test_the_list_before_is_one_click_away_and_the_admin_leads_to_the_audit() -> None:
    open_shop()
    first, second = recommend("u0", n=3).slate_id, recommend("u0", n=3).slate_id
    client = staff_client()
    assert f"a={first}&amp;b={second}" in client.get(f"/audit/{second}/").content.decode()
    slate = Slate.objects.get(public_id=second)
    assert f"/audit/{second}/" in client.get(change_url("recommender_slate", slate)).content.decode()
    assert take(slate.user, slate.items.all()[0].item)


def test_the_days_chosen_on_insights_are_those_of_the_audit_until_they_are_taken_away() -> None:
    client, now = staff_client(), timezone.now()
    SlateFactory(user_external_id="lately", user=None)
    Slate.objects.filter(pk=SlateFactory(user_external_id="long ago", user=None).pk).update(
        served_at=now - timedelta(days=20)
    )
    shown = "These days are kept on Home, Insights and here."
    assert "long ago" in text_of(client.get("/audit/")) and shown not in text_of(client.get("/audit/"))
    client.get("/insights/?days=7")
    kept = client.get("/audit/?placement=")
    assert "lately" in text_of(kept) and "long ago" not in text_of(kept) and shown in text_of(kept)
    explicit = client.get(f"/audit/?from={(now - timedelta(days=30)).date()}")
    assert "long ago" in text_of(explicit)
    assert client.get("/insights/").context["range"].days == 31  # what is chosen here is kept there
    assert "long ago" in text_of(client.get("/audit/?user=long ago"))
    client.get("/insights/?days=7")
    chip = client.get("/audit/?user=long ago").content.decode()
    assert 'href="/audit/?user=long%20ago&amp;from=&amp;to="' in chip
    assert "long ago" in text_of(client.get("/audit/?user=long%20ago&from=&to="))
    assert shown not in text_of(client.get("/audit/"))
    assert client.get("/insights/").context["range"].days == 28


def test_the_next_page_of_kept_days_does_not_fix_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slate_filters, "PER_PAGE", 1)
    client = staff_client()
    for _ in range(2):
        SlateFactory()
    client.get("/insights/?days=7")
    page = client.get("/audit/")
    following = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
    assert following is not None and client.get(html.unescape(following[1])).context["page"].rows
    assert client.session["days_shown"] == "days=7"
