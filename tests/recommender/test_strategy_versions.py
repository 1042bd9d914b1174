"""Drafts, publishing, making live and going back; what is refused leaves no trace."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from recommender import strategy_versions
from recommender.models import Evaluation, Strategy
from recommender.strategies import live_strategy, named_strategy
from recommender.strategy_versions import create_draft, digest_of, discard_draft, edit_draft, make_live, publish
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError, RecsiteError
from tests.factories import SlateFactory, StaffFactory, StrategyFactory

pytestmark = pytest.mark.django_db

POPULAR = {"weights": {"popular": 1.0}}


def everything() -> list[dict[str, Any]]:
    return list(Strategy.objects.order_by("pk").values())


def test_a_draft_begins_with_the_recipe_of_its_source_and_serves_nobody() -> None:
    staff = StaffFactory()
    first = StrategyFactory(name="summer", recipe=POPULAR, is_live=True)
    draft = create_draft(first.pk, staff=staff)
    assert (draft.name, draft.version, draft.recipe, draft.is_draft) == ("summer", 2, POPULAR, True)
    assert (draft.is_live, draft.created_by, draft.published_at) == (False, staff, None)
    assert named_strategy("summer") == first
    assert live_strategy() == first


def test_a_draft_under_another_name_is_a_strategy_of_its_own_that_cannot_be_asked_for_yet() -> None:
    first = StrategyFactory(name="summer")
    draft = create_draft(first.pk, staff=StaffFactory(), name="  winter   sale ")
    assert (draft.name, draft.version) == ("winter sale", 1)
    with pytest.raises(NotFoundError, match="winter sale"):
        named_strategy("winter sale")


@pytest.mark.parametrize("name", ["a/b", "..", "x" * 101, "a\x00b"])
def test_a_name_that_no_address_can_hold_is_refused(name: str) -> None:
    first = StrategyFactory()
    before = everything()
    with pytest.raises(InvalidInputError):
        create_draft(first.pk, staff=StaffFactory(), name=name)
    assert everything() == before


def test_a_strategy_has_at_most_one_draft() -> None:
    first = StrategyFactory(name="summer")
    create_draft(first.pk, staff=StaffFactory())
    before = everything()
    with pytest.raises(ConflictError, match="summer has a draft already, version 2"):
        create_draft(first.pk, staff=StaffFactory())
    assert everything() == before


def test_an_edit_is_stored_and_a_recipe_that_cannot_work_is_not() -> None:
    staff = StaffFactory()
    draft = create_draft(StrategyFactory().pk, staff=staff)
    edited = edit_draft(draft.pk, POPULAR, note="  best  sellers ", expected=digest_of(draft), staff=staff)
    draft.refresh_from_db()
    assert (draft.recipe, draft.note) == (POPULAR, "best sellers")
    before = everything()
    with pytest.raises(InvalidInputError, match=r"weights\.popular"):
        edit_draft(draft.pk, {"weights": {"popular": -1}}, note="", expected=digest_of(edited), staff=staff)
    with pytest.raises(InvalidInputError, match="301 characters"):
        edit_draft(draft.pk, POPULAR, note="x" * 301, expected=digest_of(edited), staff=staff)
    assert everything() == before


def test_what_somebody_saved_meanwhile_is_not_overwritten_unseen() -> None:
    staff = StaffFactory()
    draft = create_draft(StrategyFactory().pk, staff=staff)
    seen = digest_of(draft)
    edit_draft(draft.pk, POPULAR, note="", expected=seen, staff=StaffFactory())
    before = everything()
    with pytest.raises(ConflictError, match="Somebody saved"):
        edit_draft(draft.pk, {"weights": {"new": 1.0}}, note="", expected=seen, staff=staff)
    with pytest.raises(ConflictError, match="Somebody saved"):
        publish(draft.pk, staff=staff, expected=seen)
    assert everything() == before


def test_a_published_version_serves_by_its_name_and_is_never_changed_or_discarded() -> None:
    staff = StaffFactory()
    live = live_strategy()
    draft = create_draft(live.pk, staff=staff)
    published = publish(draft.pk, staff=staff, expected=digest_of(draft))
    assert (published.is_draft, published.is_live, published.published_by) == (False, False, staff)
    assert published.published_at is not None
    assert (named_strategy("default"), live_strategy()) == (published, live)
    before = everything()
    for act in (
        lambda: edit_draft(published.pk, POPULAR, note="", expected=digest_of(published), staff=staff),
        lambda: publish(published.pk, staff=staff, expected=digest_of(published)),
        lambda: discard_draft(published.pk, staff=staff),
    ):
        with pytest.raises(ConflictError, match="default v2 was published"):
            act()
    assert everything() == before


def test_a_draft_that_was_overtaken_is_published_as_the_newest_version() -> None:
    staff = StaffFactory()
    draft = create_draft(StrategyFactory(name="summer").pk, staff=staff)
    StrategyFactory(name="summer", version=3)
    assert publish(draft.pk, staff=staff, expected=digest_of(draft)).version == 4
    assert named_strategy("summer").pk == draft.pk


def test_one_version_is_live_and_going_back_is_the_same_act() -> None:
    staff = StaffFactory()
    first = live_strategy()
    second = StrategyFactory(name="default", version=2)
    make_live(second.pk, staff=staff, instead_of=first.pk)
    assert live_strategy() == second
    make_live(first.pk, staff=staff, instead_of=second.pk)
    assert live_strategy() == first
    assert Strategy.objects.filter(is_live=True).count() == 1


def test_nothing_goes_live_over_a_version_that_was_not_seen_to_be_live() -> None:
    first, second, third = live_strategy(), StrategyFactory(), StrategyFactory(name="winter")
    make_live(second.pk, staff=StaffFactory(), instead_of=first.pk)
    before = everything()
    with pytest.raises(ConflictError, match=f"{second.name} v1 went live meanwhile"):
        make_live(third.pk, staff=StaffFactory(), instead_of=first.pk)
    assert everything() == before


def test_a_draft_or_a_recipe_that_cannot_work_never_goes_live() -> None:
    live = live_strategy()
    draft = create_draft(live.pk, staff=StaffFactory())
    broken = StrategyFactory(recipe={"weights": {"gone": 1}})
    before = everything()
    with pytest.raises(ConflictError, match="is a draft"):
        make_live(draft.pk, staff=StaffFactory(), instead_of=live.pk)
    with pytest.raises(InvalidInputError, match="gone"):
        make_live(broken.pk, staff=StaffFactory(), instead_of=live.pk)
    with pytest.raises(NotFoundError):
        make_live(0, staff=StaffFactory(), instead_of=live.pk)
    assert everything() == before


def test_saving_publishing_and_making_live_happen_together_or_not_at_all() -> None:
    staff = StaffFactory()
    live = live_strategy()
    draft = create_draft(live.pk, staff=staff)
    before = everything()
    with pytest.raises(ConflictError, match="default v1 went live meanwhile"):
        strategy_versions.publish_edited(
            draft.pk, POPULAR, note="", expected=digest_of(draft), staff=staff, instead_of=draft.pk
        )
    assert everything() == before
    made = strategy_versions.publish_edited(
        draft.pk, POPULAR, note="why", expected=digest_of(draft), staff=staff, instead_of=live.pk
    )
    assert (made.recipe, made.note, made.is_draft, made.is_live) == (POPULAR, "why", False, True)


def test_a_discarded_draft_is_gone_and_one_that_slates_refer_to_stays() -> None:
    staff = StaffFactory()
    draft = create_draft(StrategyFactory().pk, staff=staff)
    Evaluation.objects.create(strategy=draft, split_at="2026-01-01T00:00:00Z")
    discard_draft(draft.pk, staff=staff)
    assert not Strategy.objects.filter(pk=draft.pk).exists()
    with pytest.raises(NotFoundError, match="somebody discarded"):
        discard_draft(draft.pk, staff=staff)
    served = create_draft(StrategyFactory().pk, staff=staff)
    SlateFactory(strategy=served)
    with pytest.raises(ConflictError, match="lists that were served refer to it"):
        discard_draft(served.pk, staff=staff)
    assert Strategy.objects.filter(pk=served.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_a_version_live_at_once_the_second_is_told() -> None:
    first = live_strategy()
    others = [StrategyFactory(name=name) for name in ("summer", "winter")]
    staff, start, told = StaffFactory(), threading.Barrier(2), []

    def go(wanted: Strategy) -> None:
        start.wait(10)
        try:
            told.append(str(make_live(wanted.pk, staff=staff, instead_of=first.pk)))
        except RecsiteError as error:
            told.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[each]) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert told.count("conflict") == 1
    assert str(live_strategy()) in told
