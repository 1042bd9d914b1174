"""What is counted of an experiment, by hand; and when it is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from recommender import experiment_figures, tasks, upkeep
from recommender.experiment_figures import Figures
from recommender.experiment_results import results_of
from recommender.models import EndUser, Experiment, Slate
from recommender.models.exposure import TypeSums
from recommender.slates import recommend
from recommender.strategies import live_strategy
from recsite.operations.models import Job
from tests.factories import EndUserFactory, ItemFactory, StrategyFactory
from tests.recommender.served_experiment import did, many_served, running_experiment, served

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_events_users_and_revenue_by_hand() -> None:
    experiment = running_experiment()
    begin = experiment.started_at
    shirt, shoe, hat = ItemFactory.create_batch(3, currency="EUR")
    ann, bob, cy = EndUserFactory.create_batch(3)
    served(experiment, "a", ann, [shirt, shoe], begin + HOUR)
    served(experiment, "a", ann, [shirt], begin + DAY)
    served(experiment, "a", bob, [hat], begin + DAY)
    served(experiment, "b", cy, [shirt, hat], begin + 2 * DAY)
    did(ann, "purchase", shirt, begin + DAY + HOUR, price=Decimal("10.00"), value=2)  # on both lists: counts once
    did(ann, "purchase", shoe, begin + 2 * HOUR, price=None)
    did(ann, "click", shoe, begin + 2 * HOUR)
    did(ann, "purchase", hat, begin + 2 * HOUR)  # on none of her lists
    did(ann, "purchase", shoe, begin + 4 * DAY)  # more than 72 hours after it was shown
    did(bob, "purchase", hat, begin + DAY - HOUR)  # before it was shown
    did(bob, "view", hat, begin + DAY + HOUR)  # a view is no measure
    did(cy, "impression", shirt, begin + 2 * DAY)  # at the very moment
    did(cy, "add_to_cart", hat, begin + 5 * DAY)  # at the very end of the 72 hours

    counted = experiment_figures.count(experiment).counted
    a, b = counted.arms["a"], counted.arms["b"]
    assert (a.users, a.lists, a.lists_squares) == (2, 3, 5)
    assert a.types == {
        "purchase": TypeSums(users=1, events=2, squares=4, with_lists=4),
        "click": TypeSums(users=1, events=1, squares=1, with_lists=2),
    }
    assert (a.priced, a.revenue, a.revenue_squares) == (1, 20.0, 400.0)
    assert (b.users, b.lists) == (1, 1)
    assert b.types == {"impression": TypeSums(1, 1, 1, 1), "add_to_cart": TypeSums(1, 1, 1, 1)}
    assert (counted.in_two, counted.currencies) == (0, ("EUR",))


def test_days_are_those_of_the_list_that_an_event_counts_for() -> None:
    experiment = running_experiment()
    noon = (experiment.started_at + DAY).replace(hour=12)
    user, other, item = EndUserFactory(), EndUserFactory(), ItemFactory()
    served(experiment, "a", user, [item], noon)
    served(experiment, "a", user, [item], noon + DAY)
    served(experiment, "a", other, [item], noon + DAY)
    did(user, "purchase", item, noon + 2 * DAY)
    days = experiment_figures.count(experiment).counted.days
    found = [(day.day, day.arm, day.users, day.new, day.did) for day in days]
    assert found == [
        (noon.date(), "a", 1, 1, {}),
        ((noon + DAY).date(), "a", 2, 1, {"purchase": 1}),
    ]


def test_lists_outside_the_experiment_or_by_a_named_strategy_do_not_count() -> None:
    now = timezone.now()
    experiment = running_experiment(state="stopped", stopped_at=now - DAY)
    item = ItemFactory()
    for at in (experiment.started_at - HOUR, now - HOUR):
        served(experiment, "a", EndUserFactory(), [item], at)
    served(experiment, "a", EndUserFactory(), [item], now - 2 * DAY, strategy_id=StrategyFactory().pk)
    served(running_experiment(name="other", placement="x"), "a", EndUserFactory(), [item], now - 2 * DAY)
    assert experiment_figures.count(experiment).counted.arms == {}
    user = EndUserFactory()
    served(experiment, "a", user, [item], now - 2 * DAY)
    did(user, "purchase", item, now - HOUR)  # after the stop, and within the hours of a list before it
    counted = experiment_figures.count(experiment).counted
    assert (counted.arms["a"].users, counted.arms["a"].types["purchase"].users) == (1, 1)


def test_users_with_lists_of_two_arms_are_told_and_left_out() -> None:
    experiment = running_experiment()
    item, both, one = ItemFactory(), EndUserFactory(), EndUserFactory()
    at = experiment.started_at + HOUR
    for arm in "ab":
        served(experiment, arm, both, [item], at)
    served(experiment, "b", one, [item], at)
    did(both, "purchase", item, at + HOUR)
    counted = experiment_figures.count(experiment).counted
    assert counted.in_two == 1
    assert {name: arm.users for name, arm in counted.arms.items()} == {"b": 1}
    assert counted.arms["b"].types == {}


def test_a_user_who_was_nobody_counts_and_their_later_events_too() -> None:
    experiment = running_experiment()
    item, at = ItemFactory(), experiment.started_at + HOUR
    stranger = EndUser(external_id="stranger")
    served(experiment, "a", None, [item], at, user_external_id="stranger")  # type: ignore[arg-type]
    assert experiment_figures.count(experiment).counted.arms["a"].users == 1
    stranger.save()
    did(stranger, "click", item, at + HOUR)
    assert experiment_figures.count(experiment).counted.arms["a"].types["click"].users == 1


def test_what_recommend_serves_is_the_exposure_that_is_counted() -> None:
    ItemFactory.create_batch(3, vector=True)
    experiment = running_experiment()
    for place in range(40):
        recommend(f"visitor {place}", n=2)
        recommend(f"visitor {place}", n=2)
    recommend("visitor 0", n=2, record=False)
    counted = experiment_figures.count(experiment).counted
    assert sum(arm.users for arm in counted.arms.values()) == 40
    assert sum(arm.lists for arm in counted.arms.values()) == 80
    assert counted.in_two == 0
    assert set(Slate.objects.values_list("experiment", "strategy")) == {(experiment.pk, live_strategy().pk)}


def figures_of(experiment: Experiment) -> Figures:
    return experiment_figures.count(experiment)


def test_results_by_hand() -> None:
    """10% of 400 against 15% of 400: z = 0.05 / sqrt(0.125 x 0.875 x 2 / 400) = 2.1381."""
    experiment = running_experiment()
    many_served(experiment, users=(400, 400), buyers=(40, 60))
    results = results_of(experiment, figures_of(experiment))
    found = results.deciding[0]
    assert (found.arm, found.measure, found.difference) == ("b", "purchase", pytest.approx(0.05))
    assert found.p == pytest.approx(0.03251, abs=1e-5)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.00388, 0.09622), abs=5e-4)
    assert found.at_any_look is not None
    assert found.at_any_look.low < 0 < found.at_any_look.high
    assert found.verdict == "open"  # read before an end that was fixed, 0.03 is nothing
    assert results.mismatch_p == 1.0
    assert results.arms[1].revenue == 150.0
    assert results.arms[1].revenue_a_user.value == pytest.approx(0.375)
    assert results.power.needed == 14_751  # R: power.prop.test(p1 = .10, p2 = .11, power = .8)
    assert results.power.more == 2 * 14_751 - 800
    assert results.power.a_day == pytest.approx(800 / 7, rel=0.01)
    assert results.power.days == pytest.approx(results.power.more / results.power.a_day, abs=1)


def test_at_an_end_that_was_fixed_the_ordinary_interval_decides() -> None:
    now = timezone.now()
    experiment = running_experiment()
    many_served(experiment, users=(400, 400), buyers=(40, 60))
    for ends_at, verdict in ((now, "better"), (now + DAY, "open"), (None, "open")):
        experiment.state, experiment.stopped_at, experiment.ends_at = "stopped", now, ends_at
        assert results_of(experiment, figures_of(experiment)).deciding[0].verdict == verdict


def test_with_more_arms_each_is_beside_the_control_with_a_wider_interval() -> None:
    two, four = running_experiment(name="two"), running_experiment(name="four", arm_names="abcd", placement="x")
    many_served(two, users=(200, 200), buyers=(20, 20))
    many_served(four, users=(200, 200, 200, 200), buyers=(20, 20, 20, 20))
    narrow = results_of(two, figures_of(two)).deciding
    wide = results_of(four, figures_of(four)).deciding
    assert [each.arm for each in wide] == ["b", "c", "d"]
    assert narrow[0].at_any_look is not None
    assert all(each.at_any_look is not None and each.at_any_look.high > narrow[0].at_any_look.high for each in wide)


def test_a_wrong_split_is_told_and_few_users_are_too_early() -> None:
    experiment = running_experiment()
    many_served(experiment, users=(300, 200), buyers=(3, 3))
    assert results_of(experiment, figures_of(experiment)).is_mismatched
    early = running_experiment(name="early", placement="x")
    many_served(early, users=(50, 50), buyers=(0, 5))
    results = results_of(early, figures_of(early))
    assert (results.is_mismatched, results.deciding[0].verdict, results.power.needed) == (False, "early", None)


# ---------------------------------------------------------------- the job


def run_job(experiment: Experiment) -> Job:
    job = experiment_figures.request(experiment)
    tasks.measure_experiment(job.pk)
    job.refresh_from_db()
    assert job.status == "succeeded", job.error
    return job


def test_the_job_keeps_exactly_what_was_counted_and_forgets_the_count_before() -> None:
    experiment = running_experiment()
    many_served(experiment, users=(30, 30), buyers=(3, 6))
    first, second = run_job(experiment), run_job(experiment)
    assert list(Job.objects.values_list("pk", flat=True)) == [second.pk]
    assert first.pk != second.pk
    kept = experiment_figures.stored([experiment.pk])[experiment.pk]
    assert kept.counted == figures_of(experiment).counted
    assert timezone.now() - kept.as_of < timedelta(seconds=30)


def test_two_requests_are_one_job() -> None:
    experiment = running_experiment()
    assert experiment_figures.request(experiment) == experiment_figures.request(experiment)


def test_the_sweep_has_it_counted_every_ten_minutes_until_the_last_event_counted(
    rung: Callable[[str], list[list[object]]],
) -> None:
    running_experiment()

    def asked_for(**moved: timedelta) -> int:
        """How many jobs the sweep makes once the newest lies so far back."""
        for job in Job.objects.all():
            if moved:
                as_of = (timezone.now() - moved["ago"]).isoformat()
                job.details["figures"]["as_of"] = as_of
                job.save(update_fields=["details"])
                Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - moved["ago"])
        return experiment_figures.request_where_due()

    assert experiment_figures.request_where_due() == 1
    assert experiment_figures.request_where_due() == 0
    tasks.measure_experiment(Job.objects.get().pk)
    assert asked_for(ago=timedelta(minutes=9)) == 0
    assert asked_for(ago=timedelta(minutes=11)) == 1
    tasks.measure_experiment(Job.objects.latest("pk").pk)
    Experiment.objects.update(state="stopped", stopped_at=timezone.now() - timedelta(hours=73))
    assert asked_for(ago=timedelta(hours=2)) == 1  # counted an hour before the last event could have counted
    tasks.measure_experiment(Job.objects.latest("pk").pk)
    assert asked_for(ago=timedelta(minutes=11)) == 0
    Experiment.objects.update(state="draft", stopped_at=None, started_at=None)
    upkeep.sweep()
    assert not Job.objects.active().filter(kind="measure_experiment").exists()
