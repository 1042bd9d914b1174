"""The life of an experiment: draft, start, stop, promote, and what is refused without a trace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from recommender import experiment_drafts, experiment_runs, strategy_versions, upkeep
from recommender.experiment_drafts import Arm, Plan
from recommender.experiments import assigned
from recommender.models import Experiment, Strategy
from recommender.strategies import live_strategy
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError, RecsiteError
from tests.factories import ExperimentFactory, StaffFactory, StrategyFactory

pytestmark = pytest.mark.django_db
PLAN = Plan("prices", (Arm("a"), Arm("b")))


@pytest.fixture
def staff() -> User:
    return StaffFactory()


def everything() -> list[dict[str, Any]]:
    return list(Experiment.objects.order_by("pk").values())


def refused(act: Callable[[], object], kind: type[RecsiteError], words: str) -> None:
    before, live = everything(), live_strategy().pk
    with pytest.raises(kind, match=words):
        act()
    assert everything() == before
    assert live_strategy().pk == live


def test_a_draft_is_stored_as_it_was_planned(staff: User) -> None:
    strategy = StrategyFactory()
    plan = Plan(
        name="  prices   in May ",
        arms=(Arm("a"), Arm(" b ", strategy.pk, 3)),
        hypothesis="Cheaper first sells more",
        placement="checkout",
        traffic_share=0.25,
        measure="click",
        attribution_hours=24,
        ends_at=timezone.now() + timedelta(days=3),
    )
    made = experiment_drafts.create(plan, staff=staff)
    assert (made.state, made.created_by, made.started_at) == ("draft", staff, None)
    stored = replace(plan, name="prices in May", arms=(Arm("a"), Arm("b", strategy.pk, 3)))
    assert experiment_drafts.plan_of(Experiment.objects.get()) == stored
    assert assigned("u1", "checkout") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "  "}, "Give the experiment a name"),
        ({"name": "x" * 101}, "101 characters; at most 100"),
        ({"hypothesis": "x" * 301}, "at most 300"),
        ({"placement": "x" * 101}, "at most 100"),
        ({"arms": (Arm("a"),)}, "2 to 4 arms; this one has 1"),
        ({"arms": tuple(Arm(name) for name in "abcde")}, "2 to 4 arms; this one has 5"),
        ({"arms": (Arm("a"), Arm(" a"))}, "Two arms are named “a”"),
        ({"arms": (Arm("a"), Arm(""))}, "without a slash"),
        ({"arms": (Arm("a"), Arm("b/c"))}, "without a slash"),
        ({"arms": (Arm("a"), Arm("b", None, 0))}, "share of arm “b” must be above 0"),
        ({"arms": (Arm("a"), Arm("b", None, float("nan")))}, "share of arm “b” must be above 0"),
        ({"arms": (Arm("a"), Arm("b", 10**9))}, "strategy of arm “b” is not published"),
        ({"traffic_share": 0.0}, "above 0% and at most 100%"),
        ({"traffic_share": 1.01}, "above 0% and at most 100%"),
        ({"attribution_hours": 0}, "1 to 720 hours"),
        ({"attribution_hours": 721}, "1 to 720 hours"),
        ({"measure": "view"}, "clicks, carts or purchases"),
        ({"ends_at": timezone.now() - timedelta(seconds=1)}, "in the past"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(staff: User, changes: dict[str, Any], words: str) -> None:
    refused(lambda: experiment_drafts.create(replace(PLAN, **changes), staff=staff), InvalidInputError, words)
    made = experiment_drafts.create(PLAN, staff=staff)
    refused(lambda: experiment_drafts.change(made.pk, replace(PLAN, **changes), staff=staff), InvalidInputError, words)


def test_an_arm_takes_no_draft_of_a_strategy(staff: User) -> None:
    draft = StrategyFactory(is_draft=True)
    plan = replace(PLAN, arms=(Arm("a"), Arm("b", draft.pk)))
    refused(lambda: experiment_drafts.create(plan, staff=staff), InvalidInputError, "not published")


def test_two_experiments_have_two_names(staff: User) -> None:
    experiment_drafts.create(PLAN, staff=staff)
    refused(lambda: experiment_drafts.create(PLAN, staff=staff), ConflictError, "named “prices”")
    other = experiment_drafts.create(replace(PLAN, name="other"), staff=staff)
    refused(lambda: experiment_drafts.change(other.pk, PLAN, staff=staff), ConflictError, "named “prices”")


def test_only_a_draft_is_changed_or_deleted(staff: User) -> None:
    running = ExperimentFactory(state="running")
    refused(lambda: experiment_drafts.change(running.pk, PLAN, staff=staff), ConflictError, "has been started")
    refused(lambda: experiment_drafts.delete(running.pk, staff=staff), ConflictError, "has been started")
    refused(lambda: experiment_drafts.delete(10**9, staff=staff), NotFoundError, "no such experiment")


def test_a_deleted_draft_comes_back_as_it_was_once(staff: User) -> None:
    ends_at = timezone.now() + timedelta(days=3)
    made = experiment_drafts.create(replace(PLAN, ends_at=ends_at, traffic_share=0.5), staff=staff)
    kept = experiment_drafts.delete(made.pk, staff=staff)
    assert everything() == []
    back = experiment_drafts.bring_back(kept, staff=staff)
    assert experiment_drafts.bring_back(kept, staff=staff) == back
    assert (back.pk, back.created_by, experiment_drafts.plan_of(Experiment.objects.get())) == (
        made.pk,
        staff,
        replace(PLAN, ends_at=ends_at, traffic_share=0.5),
    )


def test_a_deletion_that_was_tampered_with_or_whose_name_is_taken_brings_nothing_back(staff: User) -> None:
    made = experiment_drafts.create(PLAN, staff=staff)
    kept = experiment_drafts.delete(made.pk, staff=staff)
    experiment_drafts.create(PLAN, staff=staff)
    refused(lambda: experiment_drafts.bring_back(kept, staff=staff), ConflictError, "named “prices”")
    refused(lambda: experiment_drafts.bring_back(kept + "x", staff=staff), InvalidInputError, "too long ago")


def test_the_start_pins_the_live_version_and_draws_a_salt(staff: User) -> None:
    live, other = live_strategy(), StrategyFactory()
    made = experiment_drafts.create(replace(PLAN, arms=(Arm("a"), Arm("b", other.pk))), staff=staff)
    started = experiment_runs.start(made.pk, staff=staff)
    assert [arm["strategy"] for arm in started.arms] == [live.pk, other.pk]
    assert len(started.salt) == 32
    strategy_versions.make_live(other.pk, staff=staff, instead_of=live.pk)
    found = {assigned(f"u{place}", "").strategy for place in range(50)}  # type: ignore[union-attr]
    assert found == {live, other}


def test_a_second_one_on_the_same_placement_is_refused_by_name(staff: User) -> None:
    for placement, words in (("", "“first” runs on all placements"), ("checkout", "“second” runs on “checkout”")):
        name = "first" if not placement else "second"
        experiment_runs.start(
            experiment_drafts.create(replace(PLAN, name=name, placement=placement), staff=staff).pk, staff=staff
        )
        late = experiment_drafts.create(replace(PLAN, name=f"late {placement}", placement=placement), staff=staff)
        refused(lambda pk=late.pk: experiment_runs.start(pk, staff=staff), ConflictError, words)  # type: ignore[misc]
    refused(lambda: experiment_runs.start(10**9, staff=staff), NotFoundError, "no such")


def test_one_that_is_over_makes_room(staff: User) -> None:
    over = ExperimentFactory(state="running", ends_at=timezone.now() - timedelta(minutes=1))
    started = experiment_runs.start(experiment_drafts.create(PLAN, staff=staff).pk, staff=staff)
    over.refresh_from_db()
    assert (over.state, over.stopped_at, over.stopped_by, started.state) == ("stopped", over.ends_at, None, "running")


def test_the_sweep_stops_what_is_over_and_nothing_else() -> None:
    now = timezone.now()
    over = ExperimentFactory(state="running", ends_at=now - timedelta(seconds=1))
    later = ExperimentFactory(state="running", placement="x", ends_at=now + timedelta(hours=1))
    endless = ExperimentFactory(state="running", placement="y")
    upkeep.sweep()
    states = dict(Experiment.objects.values_list("pk", "state"))
    assert states == {over.pk: "stopped", later.pk: "running", endless.pk: "running"}


def test_a_stop_keeps_its_note_and_is_taken_back_with_everybody_in_their_arm(staff: User) -> None:
    running = experiment_runs.start(experiment_drafts.create(PLAN, staff=staff).pk, staff=staff)
    before = [assigned(f"u{place}", "").arm for place in range(20)]  # type: ignore[union-attr]
    stopped = experiment_runs.stop(running.pk, note=" enough\n seen ", staff=staff)
    assert (stopped.state, stopped.note, stopped.stopped_by) == ("stopped", "enough seen", staff)
    assert assigned("u1", "") is None
    refused(lambda: experiment_runs.stop(running.pk, staff=staff), ConflictError, "does not run")
    experiment_runs.resume(running.pk, staff=staff)
    assert [assigned(f"u{place}", "").arm for place in range(20)] == before  # type: ignore[union-attr]
    refused(lambda: experiment_runs.stop(running.pk, note="x" * 301, staff=staff), InvalidInputError, "at most 300")


def test_a_stop_is_not_taken_back_late_or_beside_another(staff: User) -> None:
    old = ExperimentFactory(state="stopped", stopped_at=timezone.now() - timedelta(minutes=11))
    refused(lambda: experiment_runs.resume(old.pk, staff=staff), ConflictError, "can go on no more")
    stopped = ExperimentFactory(state="stopped", stopped_at=timezone.now())
    ExperimentFactory(state="running", name="another")
    refused(lambda: experiment_runs.resume(stopped.pk, staff=staff), ConflictError, "“another” runs")


def test_promoting_stops_makes_live_and_is_taken_back(staff: User) -> None:
    live, other = live_strategy(), StrategyFactory()
    plan = replace(PLAN, arms=(Arm("a"), Arm("b", other.pk)))
    running = experiment_runs.start(experiment_drafts.create(plan, staff=staff).pk, staff=staff)
    promotion = experiment_runs.promote(running.pk, "b", note="it sells", staff=staff)
    running.refresh_from_db()
    assert (running.state, running.promoted_arm, running.note) == ("stopped", "b", "it sells")
    assert (promotion.made_live, promotion.live_before, live_strategy()) == (other, live.pk, other)
    refused(lambda: experiment_runs.promote(running.pk, "a", staff=staff), ConflictError, "promoted already")
    refused(lambda: experiment_runs.resume(running.pk, staff=staff), ConflictError, "can go on no more")
    back = experiment_runs.take_back_promotion(running.pk, live_before=live.pk, staff=staff)
    assert (back.promoted_arm, back.state, live_strategy()) == ("", "stopped", live)


def test_an_arm_that_differs_by_rules_changes_no_strategy(staff: User) -> None:
    running = experiment_runs.start(experiment_drafts.create(PLAN, staff=staff).pk, staff=staff)
    live = live_strategy()
    promotion = experiment_runs.promote(running.pk, "b", staff=staff)
    assert (promotion.made_live, promotion.live_before, live_strategy()) == (None, None, live)
    assert promotion.experiment.promoted_arm == "b"


def test_a_promotion_that_cannot_go_live_leaves_the_experiment_running(staff: User) -> None:
    broken = StrategyFactory(recipe={})
    plan = replace(PLAN, arms=(Arm("a"), Arm("b", broken.pk)))
    running = experiment_runs.start(experiment_drafts.create(plan, staff=staff).pk, staff=staff)
    Strategy.objects.filter(pk=broken.pk).update(recipe={"weights": {"tarot": 1}})
    refused(lambda: experiment_runs.promote(running.pk, "b", staff=staff), InvalidInputError, "tarot")
    refused(lambda: experiment_runs.promote(running.pk, "z", staff=staff), InvalidInputError, "no such arm")
    draft = experiment_drafts.create(replace(PLAN, name="draft"), staff=staff)
    refused(lambda: experiment_runs.promote(draft.pk, "a", staff=staff), ConflictError, "not been started")


def at_once(*acts: Callable[[], object]) -> list[BaseException | None]:
    """Each in a thread with a connection of its own, all begun together; what each raised."""
    outcomes: list[BaseException | None] = [None] * len(acts)
    together = threading.Barrier(len(acts))

    def run(place: int, act: Callable[[], object]) -> None:
        try:
            together.wait(10)
            act()
        except RecsiteError as error:
            outcomes[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_two_started_at_once_one_runs(staff: User) -> None:
    live_strategy()
    drafts = [experiment_drafts.create(replace(PLAN, name=name), staff=staff) for name in ("one", "two")]
    outcomes = at_once(*(lambda pk=draft.pk: experiment_runs.start(pk, staff=staff) for draft in drafts))  # type: ignore[misc]
    assert sorted(type(each).__name__ for each in outcomes) == ["ConflictError", "NoneType"]
    assert Experiment.objects.running().count() == 1


@pytest.mark.django_db(transaction=True)
def test_stop_and_two_promotions_at_once_promote_one(staff: User) -> None:
    live_strategy()
    others = [StrategyFactory(), StrategyFactory()]
    plan = replace(PLAN, arms=tuple(Arm(name, one.pk) for name, one in zip("ab", others, strict=True)))
    running = experiment_runs.start(experiment_drafts.create(plan, staff=staff).pk, staff=staff)
    outcomes = at_once(
        lambda: experiment_runs.promote(running.pk, "a", staff=staff),
        lambda: experiment_runs.promote(running.pk, "b", staff=staff),
        lambda: experiment_runs.stop(running.pk, staff=staff),
    )
    running.refresh_from_db()
    assert [each is None for each in outcomes[:2]].count(True) == 1
    assert running.state == "stopped"
    assert live_strategy() == others["ab".index(running.promoted_arm)]
