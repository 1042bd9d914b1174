"""The editor of a draft: nothing typed is lost, conflicts are said, and the preview stores nothing."""

from __future__ import annotations

from typing import Any

import pytest

from recommender import interests, neighbours, strategy_preview
from recommender.models import Slate, Strategy
from recommender.strategies import live_strategy, recipe_of
from recommender.strategy_form import form_of
from recommender.strategy_preview import preview, sample_users
from recommender.strategy_versions import create_draft, digest_of, discard_draft, make_live, publish
from tests.factories import EndUserFactory, EventFactory, ItemFactory, StaffFactory, StrategyFactory, axis
from tests.pages import HTMX, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> Strategy:
    return create_draft(live_strategy().pk, staff=StaffFactory())


def sent(draft: Strategy, **other: Any) -> dict[str, Any]:
    """What the editor's form sends; `weights__popular` is `weights.popular`."""
    fields = {field.key: field.text for field in form_of(recipe_of(draft)).fields}
    hidden = {"expected": digest_of(draft), "instead_of": live_strategy().pk, "name": draft.name, "note": draft.note}
    return {**fields, **hidden, **{key.replace("__", "."): value for key, value in other.items()}}


def post(draft: Strategy, act: str = "edit", **other: Any) -> Any:
    return staff_client().post(f"/strategy-versions/{draft.pk}/{act}/", sent(draft, **other), headers=HTMX)


def stored() -> list[dict[str, Any]]:
    return list(Strategy.objects.order_by("pk").values())


def test_a_changed_weight_is_saved(draft: Strategy) -> None:
    response = post(draft, act="edit", weights__popular="0.9", note="More of what sells")
    assert toast_of(response)["message"] == "Saved."
    draft.refresh_from_db()
    assert (recipe_of(draft).weights["popular"], draft.note) == (0.9, "More of what sells")
    assert f'name="expected" value="{digest_of(draft)}"' in response.content.decode()


def test_what_cannot_work_is_said_and_everything_typed_is_still_there(draft: Strategy) -> None:
    before = stored()
    response = post(draft, act="edit", weights__popular="lots", explore_share="12", note="<b>why</b>")
    page = response.content.decode()
    assert "“lots” is no number." in page
    for typed in ('value="lots"', 'value="12"', 'value="&lt;b&gt;why&lt;/b&gt;"'):
        assert typed in page
    assert stored() == before
    assert "HX-Trigger" not in response


def test_the_editor_takes_a_constant_number_of_queries_and_a_published_version_has_none(draft: Strategy) -> None:
    client = staff_client()
    assert queries_of(client, f"/strategy-versions/{draft.pk}/edit/") <= 11
    live = live_strategy()
    assert client.get(f"/strategy-versions/{live.pk}/edit/")["Location"] == f"/strategies/default/?version={live.pk}"
    assert client.get("/strategy-versions/999999/edit/").status_code == 404


def test_what_differs_from_the_live_version_is_told_while_typing(draft: Strategy) -> None:
    before = stored()
    words = text_of(post(draft, act="changes", repeats="allow"))
    assert words.startswith("One thing differs from default v1: Repeats Excluded Allowed")
    assert "Nothing differs from default v1 yet." in text_of(post(draft, act="changes"))
    assert "Events looked at “x” is no number." in text_of(post(draft, act="changes", history_events="x"))
    assert stored() == before


def test_publishing_and_making_live_are_two_acts(draft: Strategy) -> None:
    live = live_strategy()
    response = staff_client().post(
        f"/strategy-versions/{draft.pk}/edit/", {**sent(draft, repeats="allow"), "act": "publish"}, headers=HTMX
    )
    assert response["HX-Redirect"] == f"/strategies/default/?version={draft.pk}"
    draft.refresh_from_db()
    assert (draft.is_draft, draft.is_live, recipe_of(draft).repeats, live_strategy()) == (False, False, "allow", live)
    other = create_draft(live.pk, staff=StaffFactory())
    staff_client().post(f"/strategy-versions/{other.pk}/edit/", {**sent(other), "act": "publish_live"}, headers=HTMX)
    assert live_strategy().pk == other.pk


def test_somebody_saved_meanwhile_and_the_second_try_puts_ones_own_over_it(draft: Strategy) -> None:
    mine = sent(draft, weights__popular="0.7")
    post(draft, act="edit", weights__popular="0.5", note="as agreed")
    before = stored()
    response = staff_client().post(f"/strategy-versions/{draft.pk}/edit/", mine, headers=HTMX)
    words = text_of(response)
    assert "Somebody saved default v2 since you opened it." in words
    assert "Popular 0.7 0.5" in words
    assert "Their note: as agreed" in words
    assert 'value="0.7"' in response.content.decode()
    assert stored() == before
    draft.refresh_from_db()
    staff_client().post(f"/strategy-versions/{draft.pk}/edit/", {**mine, "expected": digest_of(draft)}, headers=HTMX)
    draft.refresh_from_db()
    assert recipe_of(draft).weights["popular"] == 0.7


@pytest.mark.parametrize("meanwhile", ["published", "discarded"])
def test_a_draft_that_is_none_any_more_can_become_a_new_one(draft: Strategy, meanwhile: str) -> None:
    mine, staff = sent(draft, repeats="allow"), StaffFactory()
    if meanwhile == "published":
        publish(draft.pk, staff=staff, expected=digest_of(draft))
    else:
        discard_draft(draft.pk, staff=staff)
    before = stored()
    response = staff_client().post(f"/strategy-versions/{draft.pk}/edit/", mine, headers=HTMX)
    assert f"{meanwhile}" in text_of(response)
    assert "Make a new draft of what stands here" in text_of(response)
    assert stored() == before
    staff_client().post(f"/strategy-versions/{draft.pk}/edit/", {**mine, "act": "new_draft"}, headers=HTMX)
    made = Strategy.objects.get(is_draft=True)
    assert (made.name, recipe_of(made).repeats) == ("default", "allow")


@pytest.mark.parametrize("name", [None, "", "a/b", "default"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_draft_that_vanished_is_told_whatever_name_is_sent_along(
    draft: Strategy, name: str | None, headers: dict[str, str]
) -> None:
    values = {key: value for key, value in {**sent(draft), "name": name}.items() if value is not None}
    discard_draft(draft.pk, staff=StaffFactory())
    before = stored()
    response = staff_client().post(f"/strategy-versions/{draft.pk}/edit/", values, headers=headers)
    assert response.status_code == 200
    assert "Make a new draft of what stands here" in text_of(response)
    assert stored() == before


def test_another_version_went_live_meanwhile_and_nothing_is_published(draft: Strategy) -> None:
    mine = {**sent(draft, repeats="allow", note="mine"), "act": "publish_live"}
    summer = StrategyFactory(name="summer")
    make_live(summer.pk, staff=StaffFactory(), instead_of=live_strategy().pk)
    before = stored()
    response = staff_client().post(f"/strategy-versions/{draft.pk}/edit/", mine, headers=HTMX)
    assert "summer v1 went live meanwhile." in text_of(response)
    assert "Their note" not in text_of(response)  # nobody touched the draft
    assert f'name="instead_of" value="{summer.pk}"' in response.content.decode()
    assert stored() == before


# ---------------------------------------------------------------- preview


@pytest.fixture
def shop() -> None:
    items = [ItemFactory(external_id=f"a{place}", title=f"Item {place}", vector=axis(place % 5)) for place in range(20)]
    for place in range(6):
        user = EndUserFactory(external_id=f"u{place}")
        for item in items[place : place + 4]:
            EventFactory(user=user, item=item)
    neighbours.rebuild_statistics()
    interests.rebuild_all()


def test_a_draft_that_says_the_same_changes_no_list(shop: None, draft: Strategy) -> None:
    found = preview(live_strategy(), draft)
    assert (len(found.lists), found.sample, found.next_start, found.changed) == (6, 6, None, 0)
    assert "all their lists stay the same." in text_of(post(draft, act="preview"))


def test_items_gained_lost_and_moved_are_told_of_the_form_as_it_stands_and_nothing_is_stored(
    shop: None, draft: Strategy
) -> None:
    before = stored()
    changed = {"weights__neighbours": "0", "weights__popular": "0", "weights__new": "5", "explore_share": "0"}
    words = text_of(post(draft, act="preview", **changed))
    assert words.startswith("6 users in")
    assert "default v1 live" in words
    assert "default v2 draft" in words
    assert "gained" in words
    assert stored() == before
    assert not Slate.objects.exists()
    draft.recipe = {"weights": {"new": 1.0}}
    one = preview(live_strategy(), draft, n=5).lists[0]
    before_ids, after_ids = ([place.item.pk for place in places] for places in (one.before, one.after))
    assert one.gained == len(set(after_ids) - set(before_ids)) == one.lost
    for place in one.after:
        expected = before_ids.index(place.item.pk) + 1 - place.position if place.item.pk in before_ids else None
        assert place.moved_by == expected


def test_a_preview_stops_when_its_time_is_up_and_goes_on_from_there(
    shop: None, draft: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = preview(live_strategy(), draft, budget_s=0.0)
    assert (len(first.lists), first.next_start) == (1, 1)
    seen, start = [], 0
    while start is not None:
        part = preview(live_strategy(), draft, start=start, budget_s=0.0)
        seen += [each.user_external_id for each in part.lists]
        start = part.next_start
    assert seen == sample_users()
    monkeypatch.setattr(strategy_preview.preview, "__kwdefaults__", {"start": 0, "n": 5, "budget_s": 0.0})
    assert "1 of 6 users Compare more users" in text_of(post(draft, act="preview"))
    assert "6 of 6" not in text_of(post(draft, act="preview", start="5"))


def test_the_sample_is_the_same_for_the_same_data_and_leaves_out_who_did_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    EndUserFactory(external_id="idle")
    for place in range(30):
        EventFactory(user=EndUserFactory(external_id=f"u{place}"))
    chosen = sample_users()
    assert len(chosen) == len(set(chosen)) == 20
    assert "idle" not in chosen
    assert sample_users() == chosen
    assert set(sample_users(30)) == {f"u{place}" for place in range(30)}
    monkeypatch.setattr(strategy_preview, "DRAWN_FROM", 3)
    assert len(sample_users()) == 3


def test_a_preview_of_what_cannot_work_or_without_users_says_so(draft: Strategy) -> None:
    assert "No user has events yet" in text_of(post(draft, act="preview"))
    assert "Mend first what cannot work: Bought together “x” is no number." in text_of(
        post(draft, act="preview", weights__neighbours="x")
    )
