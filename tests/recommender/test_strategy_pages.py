"""The pages of strategies: who may, how many queries, what they say, and what each button does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from recommender.models import Evaluation, RankerFit, Slate, Strategy
from recommender.strategies import live_strategy
from recommender.strategy_overview import overview, page_of_strategy
from recommender.strategy_versions import create_draft
from tests.factories import SlateFactory, StaffFactory, StrategyFactory
from tests.pages import HTMX, assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def evaluated(strategy: Strategy, ndcg: float, **report: object) -> None:
    Evaluation.objects.create(strategy=strategy, split_at=timezone.now(), report={"ndcg@10": ndcg, "n": 943, **report})


def test_only_staff_see_them() -> None:
    draft = create_draft(live_strategy().pk, staff=StaffFactory())
    for address in ("/strategies/", "/strategies/default/", f"/strategy-versions/{draft.pk}/edit/"):
        assert_guarded(address)


@pytest.mark.parametrize("act", ["draft", "discard", "live", "edit", "changes", "preview"])
def test_others_change_nothing(act: str) -> None:
    draft = create_draft(live_strategy().pk, staff=StaffFactory())
    before = list(Strategy.objects.order_by("pk").values())
    address = f"/strategy-versions/{draft.pk}/{act}/"
    assert shopper_client().post(address, {"instead_of": live_strategy().pk}).status_code == 403
    assert list(Strategy.objects.order_by("pk").values()) == before
    if act != "edit":
        assert staff_client().get(address).status_code == 405


def test_the_pages_take_as_many_queries_for_twenty_versions_as_for_two() -> None:
    live_strategy()
    client = staff_client()

    def more(version: int) -> None:
        one = StrategyFactory(name="default", version=version, published_by=StaffFactory(), note="n")
        evaluated(one, 0.1)
        SlateFactory(strategy=one, user=None)
        RankerFit.objects.create(strategy=one, parameters={"weights": {"few": {"popular": 1}}})
        StrategyFactory(recipe={})

    more(2)
    few = [queries_of(client, address) for address in ("/strategies/", "/strategies/default/")]
    for version in range(3, 21):
        more(version)
    assert [queries_of(client, address) for address in ("/strategies/", "/strategies/default/")] == few
    assert max(few) <= 18


def test_the_list_says_what_is_live_drafted_measured_and_served() -> None:
    live = live_strategy()
    summer = StrategyFactory(name="summer", note="Best sellers first")
    create_draft(summer.pk, staff=StaffFactory())
    evaluated(summer, 0.2)
    evaluated(live, 0.1)
    evaluated(live, 0.1124)
    Evaluation.objects.create(strategy=live, split_at=timezone.now())  # still running
    SlateFactory.create_batch(2, strategy=live, user=None)
    old = SlateFactory(strategy=live, user=None)
    Slate.objects.filter(pk=old.pk).update(served_at=timezone.now() - timedelta(days=8))
    words = text_of(staff_client().get("/strategies/"))
    assert "default Live: version 1 1 0.112 2" in words
    assert "summer Best sellers first By name: version 1 Draft: version 2 2 0.200 0" in words
    assert [row.name for row in overview()] == ["default", "summer"]


def test_a_strategy_shows_its_recipe_in_words_and_what_differs() -> None:
    live_strategy()
    two = StrategyFactory(name="default", version=2, recipe={"repeats": "allow", "explore_share": 0.2})
    words = text_of(staff_client().get(f"/strategies/default/?version={two.pk}"))
    assert "Version 2 compared with default v1" in words
    assert "Repeats Excluded Allowed Places for new items 2 % 20 %" in words
    three = StrategyFactory(name="default", version=3, recipe={"repeats": "allow"})
    words = text_of(staff_client().get(f"/strategies/default/?version={three.pk}&against={two.pk}"))
    assert "Version 3 compared with default v2" in words
    assert "Places for new items 20 % 2 %" in words
    assert staff_client().get("/strategies/no such one/").status_code == 404
    assert page_of_strategy("default", version=10**17).chosen.version == 1  # nonsense shows the live one


def test_a_version_whose_recipe_cannot_be_read_any_more_says_so() -> None:
    live_strategy()
    broken = StrategyFactory(name="old", recipe={"gone": 1})
    words = text_of(staff_client().get("/strategies/old/"))
    assert "This version cannot be used any more: A recipe has no field 'gone'" in words.replace("&#x27;", "'")
    response = staff_client().post(
        f"/strategy-versions/{broken.pk}/live/", {"instead_of": live_strategy().pk}, headers=HTMX
    )
    assert toast_of(response)["kind"] == "danger"
    assert live_strategy().name == "default"


def test_fitted_weights_are_a_table_by_length_of_history() -> None:
    live = live_strategy()
    weights = {"many": {"neighbours": 2.0, "popular": 1.0}, "none": {"popular": 1.0, "later source": 0.5}}
    RankerFit.objects.create(
        strategy=live, parameters={"weights": weights}, is_in_use=True, reason="Better by .01.", report={"n": 1943}
    )
    RankerFit.objects.create(strategy=live, parameters={"weights": {}}, reason="Not better.")
    fit = page_of_strategy("default").fit
    assert fit is not None
    assert fit.histories == ("none", "many")
    assert [(source, [cell and cell.share for cell in cells]) for source, cells in fit.sources] == [
        ("neighbours", [None, 1.0]),
        ("popular", [0.5, 0.5]),
        ("later source", [0.25, None]),
    ]
    words = text_of(staff_client().get("/strategies/default/"))
    assert "In use Better by .01." in words
    assert "N 1,943" in words


def test_an_earlier_version_goes_live_by_one_click_and_the_toast_takes_it_back() -> None:
    first = live_strategy()
    summer = StrategyFactory(name="summer")
    client = staff_client()
    response = client.post(f"/strategy-versions/{summer.pk}/live/", {"instead_of": first.pk}, headers=HTMX)
    assert live_strategy() == summer
    said = toast_of(response)
    assert said["message"] == "summer v1 is live."
    undone = client.post(said["undo"]["url"], said["undo"]["values"], headers=HTMX)
    assert live_strategy() == first
    assert toast_of(undone)["message"] == "default v1 is live."
    assert "Version 1 compared with default v1" in text_of(undone)  # still the page of summer


def test_making_live_over_somebody_elses_choice_is_refused_and_said() -> None:
    first, summer, winter = live_strategy(), StrategyFactory(name="summer"), StrategyFactory(name="winter")
    client = staff_client()
    client.post(f"/strategy-versions/{summer.pk}/live/", {"instead_of": first.pk}, headers=HTMX)
    late = client.post(f"/strategy-versions/{winter.pk}/live/", {"instead_of": first.pk}, headers=HTMX)
    assert toast_of(late)["message"].startswith("summer v1 went live meanwhile.")
    assert "undo" not in toast_of(late)
    assert live_strategy() == summer


def test_a_draft_is_started_and_discarded() -> None:
    live, client = live_strategy(), staff_client()
    answer = client.post(f"/strategy-versions/{live.pk}/draft/", {"name": "winter"}, headers=HTMX)
    draft = Strategy.objects.get(name="winter")
    assert answer["HX-Redirect"] == f"/strategy-versions/{draft.pk}/edit/"
    assert draft.created_by == User.objects.get(username="staff")
    again = client.post(f"/strategy-versions/{live.pk}/draft/", {"name": "winter"}, headers=HTMX)
    assert (again.status_code, toast_of(again)["kind"]) == (204, "danger")
    gone = client.post(f"/strategy-versions/{draft.pk}/discard/", headers=HTMX)
    assert gone["HX-Redirect"] == "/strategies/"
    assert not Strategy.objects.filter(name="winter").exists()
    assert "The draft winter v1 is discarded." in text_of(client.get("/strategies/"))
