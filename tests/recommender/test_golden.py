"""Golden users: what is checked, what is refused, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog.models import Item
from recommender import golden, golden_expectations, neighbours, tasks
from recommender.models import GoldenExpectation, Slate, Strategy
from recommender.strategies import live_strategy
from recommender.strategy_versions import create_draft, digest_of, discard_draft, make_live, publish, publish_edited
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job
from tests.factories import GoldenExpectationFactory, ItemLabelFactory, LabelFactory, StaffFactory
from tests.recommender.ruled_shop import build, pin, published

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def found(**asked: Any) -> tuple[bool, str, list[int]]:
    one = golden.check([GoldenExpectation(user_external_id="stranger", **asked)])[0]
    return one.is_met, one.words, [each.position for each in one.shown]


def test_never_names_the_item_that_is_shown() -> None:
    asked = {"kind": "never", "scope": {"items": ["a2", "a9"]}}
    assert found(**asked, n=2) == (True, "None of them is shown.", [])
    assert found(**asked, n=3) == (False, "“Item 2” is shown at position 3.", [3])
    assert found(**asked, n=10) == (False, "2 of them are shown, “Item 2” at position 3.", [3, 10])


def test_at_least_so_many_of_a_scope_of_brands_and_of_labels() -> None:
    even = {"kind": "shows", "scope": {"brands": ["even"]}, "n": 4}
    assert found(**even, least=2) == (True, "2 of them are shown.", [1, 3])
    assert found(**even, least=3)[0] is False
    assert found(kind="brands", least=2, n=4) == (True, "2 brands.", [1, 2, 3, 4])
    assert found(kind="brands", least=2, n=1)[:2] == (False, "1 brand.")
    Item.objects.update(brand="")
    assert found(kind="brands", least=1, n=4)[:2] == (False, "0 brands.")
    for place, name in enumerate(("Tea", "Milk")):
        ItemLabelFactory(item=Item.objects.get(external_id=f"a{place}"), label=LabelFactory(name=name))
    assert found(kind="labels", least=2, n=4)[:2] == (True, "2 labels.")
    assert found(kind="labels", least=3, n=4)[0] is False


def test_a_check_obeys_the_rules_of_the_placement_and_stores_nothing() -> None:
    published("Nine in the basket", pin(1, "a9", placement="basket"))
    asked = {"kind": "never", "scope": {"items": ["a9"]}, "n": 3}
    assert found(**asked)[0] is True
    assert found(**asked, placement="basket")[0] is False
    assert not Slate.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"user_external_id": " "},
        {"user_external_id": "x" * 201},
        {"kind": "sometimes"},
        {"kind": "never", "scope": {}},
        {"kind": "shows", "scope": {}},
        {"kind": "brands", "scope": {}, "least": 11},
        {"kind": "brands", "scope": {}, "least": 0},
        {"n": 0},
        {"n": 101},
        {"scope": {"items": ["gone"]}},
        {"scope": {"labels": [999_999]}},
        {"scope": {"colour": "red"}},
        {"note": "x" * 301},
    ],
)
def test_what_makes_no_sense_is_refused_and_not_stored(values: dict[str, Any]) -> None:
    asked = {"user_external_id": "u1", "kind": "never", "scope": {"items": ["a9"]}, "least": 1, "n": 10, **values}
    with pytest.raises(InvalidInputError):
        golden_expectations.store(asked, staff=StaffFactory())
    assert not GoldenExpectation.objects.exists()


def test_it_is_checked_as_it_is_stored_changed_and_switched_on() -> None:
    staff = StaffFactory()
    values = {"user_external_id": "u1", "kind": "never", "scope": {"items": ["a0"]}, "least": 1, "n": 3}
    stored = golden_expectations.store(values, staff=staff)
    assert (stored.is_met, stored.finding, stored.created_by) == (False, "“Item 0” is shown at position 1.", staff)
    off = golden_expectations.switch(stored.pk, is_active=False, staff=staff)
    assert (off.is_met, off.finding, off.checked_at) == (None, "", None)
    on = golden_expectations.switch(stored.pk, is_active=True, staff=staff)
    assert on.is_met is False
    changed = golden_expectations.store({"scope": {"items": ["a9"]}}, pk=stored.pk, staff=staff)
    assert (changed.is_met, changed.finding) == (True, "None of them is shown.")


def test_what_is_deleted_can_be_brought_back() -> None:
    staff = StaffFactory()
    expectation = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, note="why")
    values = golden_expectations.delete(expectation.pk, staff=staff)
    assert not GoldenExpectation.objects.exists()
    back = golden_expectations.store(values, staff=staff)
    assert (back.user_external_id, back.scope, back.note) == ("u1", {"items": ["a9"]}, "why")
    with pytest.raises(NotFoundError):
        golden_expectations.delete(expectation.pk, staff=staff)


def test_rows_have_the_broken_ones_first() -> None:
    for is_met, is_active in ((True, True), (None, True), (False, True), (False, False)):
        GoldenExpectationFactory(scope={"items": ["a9"]}, is_met=is_met, is_active=is_active)
    assert [row.state for row in golden_expectations.rows()] == ["broken", "unknown", "met", "off"]


def new_recipe(**recipe: Any) -> Strategy:
    staff = StaffFactory()
    draft = create_draft(live_strategy().pk, staff=staff, recipe={**live_strategy().recipe, **recipe})
    return publish(draft.pk, staff=staff, expected=digest_of(draft))


def test_a_strategy_that_breaks_a_golden_user_does_not_go_live() -> None:
    GoldenExpectationFactory(user_external_id="u5", kind="shows", scope={"items": ["a0"]}, n=3)
    before = live_strategy()
    settled = new_recipe(repeats="exclude", repeat_window_days=90)
    with pytest.raises(ConflictError, match=r"u5: at least 1 of “Item 0” in the first 3\. 0 of them are shown\."):
        make_live(settled.pk, staff=StaffFactory(), instead_of=before.pk)
    assert live_strategy() == before
    draft = create_draft(before.pk, staff=StaffFactory())
    with pytest.raises(ConflictError, match="golden users"):
        publish_edited(
            draft.pk, settled.recipe, note="", expected=digest_of(draft), staff=StaffFactory(), instead_of=before.pk
        )
    draft.refresh_from_db()
    assert (draft.is_draft, live_strategy()) == (True, before)
    discard_draft(draft.pk, staff=StaffFactory())
    harmless = new_recipe(candidates_per_source=60)
    assert make_live(harmless.pk, staff=StaffFactory(), instead_of=before.pk).is_live


def test_the_nightly_check_marks_what_is_broken(rung: Callable[[str], list[list[object]]]) -> None:
    assert golden.check_nightly() is None
    met = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, n=3)
    broken = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a0"]}, n=3)
    off = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a0"]}, n=3, is_active=False)
    tasks.check_golden_users()
    job = Job.objects.get(kind="check_golden_users")
    assert rung("default") == [[job.pk]]
    assert golden.check_nightly() is None  # one waits already
    tasks.check_golden_users_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.rejected) == ("succeeded", 2, 2, 1)
    for expectation in (met, broken, off):
        expectation.refresh_from_db()
    assert (met.is_met, broken.is_met, off.is_met) == (True, False, None)
    assert broken.finding == "“Item 0” is shown at position 1."
    assert broken.checked_at is not None


def test_every_kind_of_job_has_its_task() -> None:
    assert jobs.TASKS["check_golden_users"] == tasks.check_golden_users_job.name
