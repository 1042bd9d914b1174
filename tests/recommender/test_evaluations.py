"""Evaluations as staff run them: what is refused, the job, what is stored, keeping, deleting, comparing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommender import evaluations, tasks
from recommender.evaluations import BASELINES, Wanted
from recommender.models import Evaluation, Event, Strategy
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from recsite.operations.models import Job
from tests.factories import (
    EndUserFactory,
    EvaluationFactory,
    EventFactory,
    ItemFactory,
    JobFactory,
    StaffFactory,
    StrategyFactory,
)
from tests.recommender.evaluation_reports import whole_report

pytestmark = pytest.mark.django_db
NEWEST = datetime(2026, 3, 31, 12, tzinfo=UTC)
SPLIT = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def wanted() -> Wanted:
    """Over 120 events, one a day up to NEWEST."""
    user, item = EndUserFactory(), ItemFactory()
    Event.objects.bulk_create(
        Event(user=user, item=item, type="purchase", occurred_at=NEWEST - timedelta(hours=16 * step))
        for step in range(200)
    )
    return Wanted(strategy_id=StrategyFactory(name="calm").pk, split_at=SPLIT)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[dict[str, Any]]]:
    """`measured(outcome)` puts a function in the place of what measures: it returns or raises the outcome, and the list
    holds what it was asked."""

    def put(outcome: Any) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def evaluate_database(strategy: Strategy, **options: Any) -> Any:
            report_progress = options.pop("on_progress")
            asked.append({"strategy": str(strategy), **options})
            report_progress(1, 2, "Making lists")
            if isinstance(outcome, Exception):
                raise outcome
            return outcome() if callable(outcome) else outcome

        monkeypatch.setattr(evaluations, "evaluate_database", evaluate_database)
        return asked

    return put


# ---------------------------------------------------------------- start


def test_the_day_offered_is_28_days_before_the_newest_event(wanted: Wanted) -> None:
    assert evaluations.default_split() == SPLIT


def test_where_events_cover_less_the_day_offered_leaves_four_fifths_to_learn_from() -> None:
    assert evaluations.default_split() is None
    EventFactory(occurred_at=NEWEST)
    EventFactory(occurred_at=NEWEST - timedelta(days=20))
    assert evaluations.default_split() == datetime(2026, 3, 27, tzinfo=UTC)


def test_an_evaluation_is_a_row_and_a_job_whose_bell_rings_once_both_are_there(
    wanted: Wanted,
    rung: Callable[[str], list[list[object]]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    staff = StaffFactory()
    with django_capture_on_commit_callbacks(execute=True):
        made = evaluations.request_evaluation(replace(wanted, baselines=("repeat", "pop")), staff=staff)
    assert rung("default") == [[made.job_id]]
    made = Evaluation.objects.get()
    assert made.parameters == {"users": 1_000, "baselines": ["pop", "repeat"]}
    assert (made.split_at, made.started_by, made.status, made.is_active) == (SPLIT, staff, "queued", True)
    assert (made.job.kind, made.job.title) == ("evaluate", "Evaluate calm v1")
    assert jobs.TASKS["evaluate"] == tasks.evaluate.name


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"strategy_id": 0}, "no longer there"),
        ({"max_users": 99}, "99 users cannot be drawn; choose 100 to 10,000"),
        ({"max_users": 10_001}, "10,001 users"),
        ({"baselines": ("pop", "magic")}, "no baseline 'magic'"),
        ({"split_at": NEWEST + timedelta(days=1)}, "0 events lie after 1 Apr 2026"),
        ({"split_at": NEWEST - timedelta(days=5)}, "the newest is of 31 Mar 2026. Choose an earlier day."),
        ({"split_at": NEWEST - timedelta(days=100)}, "Choose a later day."),
        ({"split_at": datetime(1999, 1, 1, tzinfo=UTC)}, "0 events lie before 1 Jan 1999"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_and_leaves_no_trace(
    wanted: Wanted, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says.replace(".", r"\.")):
        evaluations.request_evaluation(replace(wanted, **changes), staff=None)
    assert (Evaluation.objects.count(), Job.objects.count()) == (0, 0)


def test_without_events_it_is_said_how_they_come_in() -> None:
    with pytest.raises(InvalidInputError, match="POST /api/v1/events/"):
        evaluations.request_evaluation(Wanted(StrategyFactory().pk, SPLIT), staff=None)
    assert Job.objects.count() == 0


def test_impressions_are_no_events_to_judge_by(wanted: Wanted) -> None:
    Event.objects.filter(occurred_at__gte=SPLIT).update(type="impression")
    with pytest.raises(InvalidInputError, match="0 events lie after"):
        evaluations.request_evaluation(wanted, staff=None)


def test_the_same_evaluation_is_not_started_twice_at_once(wanted: Wanted) -> None:
    first = evaluations.request_evaluation(wanted, staff=None)
    with pytest.raises(ConflictError, match="under way already"):
        evaluations.request_evaluation(wanted, staff=None)
    assert (Evaluation.objects.count(), Job.objects.count()) == (1, 1)
    jobs.cancel(first.job)
    evaluations.request_evaluation(wanted, staff=None)
    assert Evaluation.objects.count() == 2


# ---------------------------------------------------------------- run


def test_the_worker_stores_the_report_and_the_job_leads_to_its_page(wanted: Wanted, measured: Any) -> None:
    asked = measured(whole_report(novelty=float("nan")))
    made = evaluations.request_evaluation(wanted, staff=None)
    tasks.evaluate(made.job_id)
    tasks.evaluate(made.job_id)  # rung twice
    assert asked == [{"strategy": "calm v1", "split_at": SPLIT, "max_users": 1_000, "baselines": list(BASELINES)}]
    made = Evaluation.objects.get()
    assert made.report == whole_report(novelty=None)
    assert (made.status, made.error, made.finished_at is not None) == ("succeeded", "", True)
    assert made.job.status == Job.Status.SUCCEEDED
    assert made.job.details["address"] == f"/evaluation/{made.pk}/"


def test_a_failed_one_says_why_and_is_filled_when_its_job_is_run_again(wanted: Wanted, measured: Any) -> None:
    measured(UnavailableError("The embedding model is away; try again."))
    made = evaluations.request_evaluation(wanted, staff=None)
    tasks.evaluate(made.job_id)
    made = Evaluation.objects.get()
    assert (made.status, made.error) == ("failed", "The embedding model is away; try again.")
    assert (made.report, made.finished_at) == ({}, None)
    measured(whole_report())
    jobs.retry(made.job)
    tasks.evaluate(made.job_id)
    assert Evaluation.objects.get().status == "succeeded"


def test_one_that_is_cancelled_while_it_computes_stores_nothing(wanted: Wanted, measured: Any) -> None:
    made = evaluations.request_evaluation(wanted, staff=None)

    def cancel_then_answer() -> dict[str, Any]:
        jobs.cancel(Job.objects.get())
        return whole_report()

    measured(cancel_then_answer)
    tasks.evaluate(made.job_id)
    made = Evaluation.objects.get()
    assert (made.status, made.report, made.finished_at) == ("cancelled", {}, None)


def test_a_job_whose_evaluation_was_deleted_says_so(measured: Any) -> None:
    asked = measured(whole_report())
    job = JobFactory(kind="evaluate", parameters={"_evaluation": 0})
    tasks.evaluate(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "This evaluation was deleted; run a new one.")
    assert asked == []


# ---------------------------------------------------------------- afterwards


def test_a_kept_one_is_deleted_only_after_it_was_let_go() -> None:
    made = EvaluationFactory(report=whole_report())
    evaluations.keep(made.pk, is_kept=True)
    with pytest.raises(ConflictError, match="let it go first"):
        evaluations.delete(made.pk)
    assert Evaluation.objects.get().is_kept
    evaluations.keep(made.pk, is_kept=False)
    assert "is_kept" not in Evaluation.objects.get().parameters
    evaluations.delete(made.pk)
    assert (Evaluation.objects.count(), Strategy.objects.count(), Job.objects.count()) == (0, 1, 1)
    with pytest.raises(NotFoundError):
        evaluations.delete(made.pk)


def test_one_that_runs_is_neither_kept_nor_deleted() -> None:
    made = EvaluationFactory()
    with pytest.raises(ConflictError, match="cancel it first"):
        evaluations.delete(made.pk)
    with pytest.raises(ConflictError, match="once it is finished"):
        evaluations.keep(made.pk, is_kept=True)
    assert Evaluation.objects.get().parameters == made.parameters


def test_one_whose_job_is_no_longer_kept_is_lost_unless_it_was_finished() -> None:
    lost, finished = EvaluationFactory(), EvaluationFactory(report=whole_report())
    Job.objects.all().delete()
    assert evaluations.get(lost.pk).status == "failed"
    assert evaluations.get(finished.pk).status == "succeeded"


def test_two_to_four_finished_ones_are_compared_in_the_order_asked_for() -> None:
    ids = [EvaluationFactory(report=whole_report()).pk for _ in range(5)]
    found = evaluations.compare([ids[2], ids[0], ids[2]])
    assert ([one.pk for one in found.evaluations], found.warnings) == ([ids[2], ids[0]], ())
    for wrong in ([], ids[:1], ids, [ids[0], ids[0]]):
        with pytest.raises(InvalidInputError, match="two to four"):
            evaluations.compare(wrong)
    with pytest.raises(NotFoundError):
        evaluations.compare([ids[0], 10**9])
    with pytest.raises(InvalidInputError, match="no figures yet"):
        evaluations.compare([ids[0], EvaluationFactory().pk])


def test_other_days_or_other_users_are_warned_about() -> None:
    plain = EvaluationFactory(report=whole_report())
    other_day = EvaluationFactory(report=whole_report(), split_at=SPLIT)
    other_users = EvaluationFactory(report=whole_report(), parameters={"users": 200, "baselines": []})
    other_cases = EvaluationFactory(report=whole_report(n=17))
    assert "different dates" in evaluations.compare([plain.pk, other_day.pk]).warnings[0]
    for other in (other_users, other_cases):
        (warning,) = evaluations.compare([plain.pk, other.pk]).warnings
        assert warning == "They were measured on different users, so they are not comparable."
