"""Rules, expectations, strategies and experiments that were made go again, deleted ones come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from recommender import experiment_drafts, golden_expectations, rule_versions, strategy_versions
from recommender.models import Evaluation, Experiment, GoldenExpectation, Rule, Strategy
from recommender.rule_content import RuleContent
from recommender.scopes import Audience, Scope
from recsite.operations import changes
from recsite.operations.change_context import written_by
from recsite.operations.errors import ConflictError
from recsite.operations.models import Change
from tests.factories import EvaluationFactory, ItemFactory, LabelFactory, StaffFactory, StrategyFactory
from tests.pages import HTMX, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db

Made = tuple[Model, Callable[[], object]]
NOTE = "Why this is so, at length. " * 11  # longer than what a creation keeps of a column


def rule_draft(staff: User) -> Made:
    content = RuleContent(
        action="boost",
        scope=Scope(items=(ItemFactory(external_id="sku-1").external_id,), brands=("Acme",)),
        audience=Audience(users=("u-1",)),
        strength=1.5,
        starts_at=timezone.now() + timedelta(days=3),
        note=NOTE[:300],
    )
    made = rule_versions.draft_new("Bread first", content, staff=staff)
    return made, lambda: rule_versions.discard(made.pk, staff=staff)


def strategy_draft(staff: User) -> Made:
    source = StrategyFactory(recipe={"weights": {"popular": 2.0}})
    made = strategy_versions.create_draft(source.pk, staff=staff, name="Weekend", note=NOTE[:300])
    return made, lambda: strategy_versions.discard_draft(made.pk, staff=staff)


def expectation(staff: User) -> Made:
    values = {"user_external_id": "household-42", "kind": "never", "scope": {"brands": ["Acme"]}, "note": NOTE[:300]}
    made = golden_expectations.store({**values, "is_active": False}, staff=staff)
    return made, lambda: golden_expectations.delete(made.pk, staff=staff)


def experiment_draft(staff: User) -> Made:
    arms = (experiment_drafts.Arm("a"), experiment_drafts.Arm("b", StrategyFactory().pk, 2.0))
    ends = timezone.now() + timedelta(days=30)
    plan = experiment_drafts.Plan("Two ways", arms, hypothesis=NOTE[:300], traffic_share=0.5, ends_at=ends)
    made = experiment_drafts.create(plan, staff=staff)
    return made, lambda: experiment_drafts.delete(made.pk, staff=staff)


EVERY = pytest.mark.parametrize("make", [rule_draft, strategy_draft, expectation, experiment_draft])


def change_of(row: Model, act: str) -> Change:
    kinds = {Rule: "rule", Strategy: "strategy", GoldenExpectation: "golden_expectation", Experiment: "experiment"}
    return Change.objects.get(kind=kinds[type(row)], object_id=row.pk, act=act)


def columns_of(row: Model) -> dict[str, Any]:
    found = type(row)._default_manager.filter(pk=row.pk).values().get()
    # Told by the change that made it, which is written a moment after the row.
    found.pop("created_at")
    return found


@EVERY
def test_what_was_deleted_comes_back_under_its_id_with_every_value(make: Callable[[User], Made]) -> None:
    staff, other = StaffFactory(username="ann"), StaffFactory(username="bob")
    with written_by(staff):
        made, delete = make(staff)
        made_at = type(made)._default_manager.values_list("created_at", flat=True).get(pk=made.pk)
        before = columns_of(made)
        pk = made.pk
    with written_by(other):
        delete()
    made.pk = pk
    deletion = Change.objects.get(act="deleted")
    assert deletion.object_id == str(pk)
    back = changes.revert(deletion.pk, staff=other)
    assert columns_of(made) == before
    assert back is not None and (back.act, back.reverts_id, back.by_name) == ("created", deletion.pk, "bob")
    again = type(made)._default_manager.values_list("created_at", flat=True).get(pk=pk)
    assert abs(again - made_at) < timedelta(seconds=5)
    with pytest.raises(ConflictError, match="is there again"):
        changes.revert(deletion.pk, staff=other)
    assert type(made)._default_manager.filter(pk=pk).count() == 1


@EVERY
def test_what_was_made_goes_and_the_toast_brings_it_back(make: Callable[[User], Made]) -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, _ = make(staff)
    before, client = columns_of(made), staff_client()
    creation = change_of(made, "created")
    answer = client.post(f"/changes/{creation.pk}/revert/", headers=HTMX)
    assert not type(made)._default_manager.filter(pk=made.pk).exists()
    deletion = Change.objects.get(act="deleted")
    assert deletion.reverts_id == creation.pk
    client.post(toast_of(answer)["undo"]["url"], headers=HTMX)
    assert columns_of(made) == before


@EVERY
def test_what_was_edited_since_stays_until_the_edit_is_reverted(make: Callable[[User], Made]) -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, _ = make(staff)
    with written_by(staff):
        type(made)._default_manager.filter(pk=made.pk).update(note="Another note")
    creation = change_of(made, "created")
    with pytest.raises(ConflictError, match="was changed since"):
        changes.revert(creation.pk, staff=staff)
    assert type(made)._default_manager.filter(pk=made.pk).exists()
    assert not Change.objects.filter(act="deleted").exists()
    with written_by(staff):
        edit = Change.objects.get(act="changed")
        type(made)._default_manager.filter(pk=made.pk).update(note=edit.before["note"])
    changes.revert(creation.pk, staff=staff)
    assert not type(made)._default_manager.filter(pk=made.pk).exists()


@pytest.mark.parametrize(
    ("make", "take_its_place", "said"),
    [
        (rule_draft, lambda gone: Rule.objects.create(name=gone.name, version=7), "Bread first v7 took its place"),
        (
            strategy_draft,
            lambda gone: Strategy.objects.create(name=gone.name, version=gone.version),
            "Weekend v1 took its place",
        ),
        (experiment_draft, lambda gone: Experiment.objects.create(name=gone.name), "There is an experiment named"),
    ],
)
def test_nothing_comes_back_beside_what_took_its_place(
    make: Callable[[User], Made], take_its_place: Callable[[Any], Model], said: str
) -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, delete = make(staff)
        pk = made.pk
        delete()
    take_its_place(made)
    kept, rows = Change.objects.count(), list(type(made)._default_manager.values("pk", "name").order_by("pk"))
    with pytest.raises(ConflictError, match=said):
        changes.revert(Change.objects.get(act="deleted").pk, staff=staff)
    assert list(type(made)._default_manager.values("pk", "name").order_by("pk")) == rows
    assert pk not in [row["pk"] for row in rows]
    assert Change.objects.count() == kept


def test_a_rule_about_an_item_that_is_gone_does_not_come_back() -> None:
    staff = StaffFactory()
    with written_by(staff):
        _, discard = rule_draft(staff)
        discard()
    ItemFactory._meta.model.objects.all().delete()
    with pytest.raises(ConflictError, match="sku-1"):
        changes.revert(Change.objects.get(kind="rule", act="deleted").pk, staff=staff)
    assert not Rule.objects.exists()


def test_an_expectation_about_a_label_that_is_gone_does_not_come_back() -> None:
    staff, label = StaffFactory(), LabelFactory()
    with written_by(staff):
        values = {"user_external_id": "u", "kind": "never", "scope": {"labels": [label.pk]}, "is_active": False}
        made = golden_expectations.store(values, staff=staff)
        golden_expectations.delete(made.pk, staff=staff)
    label.delete()
    with pytest.raises(ConflictError, match="No label has the id"):
        changes.revert(Change.objects.get(act="deleted").pk, staff=staff)
    assert not GoldenExpectation.objects.exists()


def test_an_experiment_whose_end_is_past_does_not_come_back() -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, delete = experiment_draft(staff)
        Experiment.objects.filter(pk=made.pk).update(ends_at=timezone.now() - timedelta(days=1))
        delete()
    with pytest.raises(ConflictError, match="end is in the past"):
        changes.revert(Change.objects.get(act="deleted").pk, staff=staff)
    assert not Experiment.objects.exists()


def test_a_published_rule_stays_and_the_page_says_where_it_goes_back() -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, _ = rule_draft(staff)
    Rule.objects.filter(pk=made.pk).update(state="published", published_at=timezone.now())
    creation = change_of(made, "created")
    page = staff_client().get("/changes/")
    assert "A rule goes back on its own page" in text_of(page)
    assert f"revert-{creation.pk}" not in page.content.decode()
    with pytest.raises(ConflictError, match="goes back on its own page"):
        changes.revert(creation.pk, staff=staff)
    assert Rule.objects.filter(pk=made.pk).exists()


def test_a_draft_that_was_measured_stays_with_its_evaluations() -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, _ = strategy_draft(staff)
    EvaluationFactory(strategy=made)
    with pytest.raises(ConflictError, match="1 evaluation measured Weekend v1"):
        changes.revert(change_of(made, "created").pk, staff=staff)
    assert Evaluation.objects.filter(strategy=made).exists()
    assert not Change.objects.filter(act="deleted").exists()


def test_a_started_experiment_stays() -> None:
    staff = StaffFactory()
    with written_by(staff):
        made, _ = experiment_draft(staff)
    Experiment.objects.filter(pk=made.pk).update(state="running", started_at=timezone.now())
    with pytest.raises(ConflictError, match="only before it starts"):
        changes.revert(change_of(made, "created").pk, staff=staff)
    assert Experiment.objects.filter(pk=made.pk).exists()


def test_who_made_it_is_nobody_once_the_account_is_gone() -> None:
    staff, other = StaffFactory(username="ann"), StaffFactory(username="bob")
    with written_by(staff):
        made, discard = rule_draft(staff)
        pk = made.pk
        discard()
    staff.delete()
    changes.revert(Change.objects.get(kind="rule", act="deleted").pk, staff=other)
    assert Rule.objects.get(pk=pk).created_by is None
