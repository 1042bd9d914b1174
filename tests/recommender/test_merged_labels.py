"""Who names a label that was merged into another is about that one from then on, and says so; restored, as before."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from catalog import label_changes, taxonomy_edits, taxonomy_merges
from catalog.models import Item, Label
from recommender import label_impact, neighbours
from recommender.golden import GoldenBrokenError, check
from recommender.label_impact import listed
from recommender.models import EndUser, Rule
from recommender.planned_shelf import PlannedShelf
from recommender.rule_conflicts import conflicts
from recommender.rule_content import RuleContent
from recommender.rule_form import form_of
from recommender.rule_words import names_of_labels
from recommender.rules import read
from recommender.scopes import Audience, Scope
from recommender.slates import Question
from recommender.why_not import why_not
from tests.factories import (
    GoldenExpectationFactory,
    InterestLabelFactory,
    ItemLabelFactory,
    LabelFactory,
    StaffFactory,
)
from tests.pages import staff_client, text_of
from tests.recommender.ruled_shop import build, published, shown

pytestmark = pytest.mark.django_db


@pytest.fixture()
def staff() -> User:
    return StaffFactory()


@pytest.fixture()
def labels() -> dict[str, Label]:
    """Food: Bread with a0 and a1, Bakery with a2 and a3, Tea with a4; what people decided, so that it moves along."""
    build()
    food = LabelFactory(name="Food")
    made = {"Food": food}
    for name, own in (("Bread", ("a0", "a1")), ("Bakery", ("a2", "a3")), ("Tea", ("a4",))):
        made[name] = LabelFactory(name=name, taxonomy=food.taxonomy, parent=food)
        for external_id in own:
            ItemLabelFactory(
                item=Item.objects.get(external_id=external_id),
                label=made[name],
                decision="accepted",
                final_label=made[name],
            )
    neighbours.rebuild_statistics()
    return made


def merge(source: Label, target: Label, staff: User) -> None:
    paths = {each.pk: Label.objects.get(pk=each.pk).path for each in (source, target)}
    taxonomy_merges.merge_labels([source.pk], target.pk, expected_paths=paths, staff=staff)


def of_labels(*labels: Label) -> Scope:
    return Scope(labels=tuple(label.pk for label in labels))


def said(content: RuleContent) -> list[tuple[str, str]]:
    return [(each.kind, each.words) for each in conflicts(content.as_rule("mine"))]


def test_branches_follow_a_merge_over_any_number_of_steps() -> None:
    top = LabelFactory(name="Top")
    taxonomy = top.taxonomy
    names = ("Low", "Target", "Middle", "First", "Elsewhere")
    low, target, middle, first, elsewhere = (LabelFactory(name=name, taxonomy=taxonomy) for name in names)
    below = LabelFactory(name="Below", taxonomy=taxonomy, parent=target)
    for label, into in ((first, middle), (middle, target)):
        Label.objects.filter(pk=label.pk).update(merged_into=into, is_deprecated=True)
    Label.objects.filter(pk=low.pk).update(parent=top, merged_into=elsewhere, is_deprecated=True)
    found = Label.objects.all().branches([first.pk, target.pk, top.pk])
    assert found == {
        first.pk: {first.pk, middle.pk, target.pk, below.pk},
        target.pk: {target.pk, below.pk},
        top.pk: {top.pk, low.pk},  # what lies below and was merged elsewhere belongs there
    }
    merged = Label.objects.all().merged_into([first.pk, middle.pk, target.pk, low.pk])
    assert merged == {first.pk: target.pk, middle.pk: target.pk, low.pk: elsewhere.pk}


def test_a_circle_of_merges_from_a_file_ends() -> None:
    one, alone = LabelFactory(name="One"), LabelFactory(name="Alone")
    two = LabelFactory(name="Two", taxonomy=one.taxonomy, merged_into=one)
    Label.objects.filter(pk=one.pk).update(merged_into=two)
    Label.objects.filter(pk=alone.pk).update(merged_into=alone)
    both = {one.pk, two.pk}
    assert Label.objects.all().branches([one.pk, two.pk, alone.pk]) == {
        one.pk: both,
        two.pk: both,
        alone.pk: {alone.pk},
    }
    assert Label.objects.all().merged_into([one.pk, two.pk, alone.pk]) == {one.pk: two.pk, two.pk: one.pk}
    assert names_of_labels([one.pk]) == {one.pk: "One (merged into Two)"}


def test_a_rule_goes_on_after_a_merge_and_ends_as_it_began_once_that_is_undone(labels, staff) -> None:
    published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    assert shown(n=8) == ["a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]
    merge(labels["Bread"], labels["Bakery"], staff)
    assert shown(n=8) == ["a4", "a5", "a6", "a7", "a8", "a9"]
    taxonomy_merges.restore_label(labels["Bread"].pk, expected_path=labels["Bread"].path, staff=staff)
    assert shown(n=8) == ["a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]


def test_a_rule_goes_on_over_two_merges(labels, staff) -> None:
    published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    merge(labels["Bread"], labels["Bakery"], staff)
    merge(labels["Bakery"], labels["Tea"], staff)
    assert shown(n=8) == ["a5", "a6", "a7", "a8", "a9"]


def test_a_label_that_is_out_of_use_keeps_what_people_gave_it(labels, staff) -> None:
    published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    taxonomy_edits.deprecate_label(labels["Bread"].pk, expected_path=labels["Bread"].path, staff=staff)
    assert shown(n=8) == ["a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]


def test_filters_golden_users_and_why_not_follow_too(labels, staff) -> None:
    within = of_labels(labels["Bread"])
    expectation = GoldenExpectationFactory(user_external_id="u0", kind="shows", scope=within.as_json(), least=2, n=10)
    assert shown(within=within) == ["a0", "a1"] and check([expectation])[0].is_met
    merge(labels["Bread"], labels["Bakery"], staff)
    assert shown(within=within) == ["a0", "a1", "a2", "a3"]
    assert len(check([expectation])[0].shown) == 4
    with pytest.raises(GoldenBrokenError, match="Bread \\(merged into Bakery\\)"):
        published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    expectation.delete()
    published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    found = why_not(Question("stranger", 4), Item.objects.get(external_id="a2"))
    assert found.dropped is not None and found.dropped.cause == "The rule “No bread” leaves it out."
    outside = why_not(Question("stranger", 4, within=within), Item.objects.get(external_id="a5"))
    assert outside.dropped is not None and outside.dropped.step == "filter"


def test_an_audience_follows_before_and_after_interests_are_rebuilt(labels, staff) -> None:
    for name, user in (("Bread", "u0"), ("Bakery", "u1")):
        InterestLabelFactory(user=EndUser.objects.get(external_id=user), label=labels[name])
    audience = Audience(interests=(labels["Bread"].pk,))
    published("For them", RuleContent("exclude", Scope(items=("a9",)), audience))
    assert ("a9" in shown("u0", n=10), "a9" in shown("u1", n=10)) == (False, True)
    merge(labels["Bread"], labels["Bakery"], staff)
    assert ("a9" in shown("u0", n=10), "a9" in shown("u1", n=10)) == (False, False)


def test_the_words_of_a_rule_name_what_it_follows(labels, staff) -> None:
    content = RuleContent("exclude", of_labels(labels["Bread"]), Audience(interests=(labels["Tea"].pk,)))
    published("No bread", content)
    client = staff_client()
    assert "items labelled Bread." in text_of(client.get("/rules/No bread/"))
    merge(labels["Bread"], labels["Bakery"], staff)
    merge(labels["Tea"], labels["Bakery"], staff)
    merge(labels["Bakery"], LabelFactory(name="Fresh", taxonomy=labels["Food"].taxonomy), staff)
    page = text_of(client.get("/rules/No bread/"))
    assert "Leaves out items labelled Bread (merged into Fresh)." in page
    assert "users interested in Tea (merged into Fresh)" in page.replace("Users", "users")
    assert "Bread (merged into Fresh)" in text_of(client.get("/rules/"))
    chosen = form_of(content, "No bread").picked["labels"]
    assert [(each.words, each.is_there) for each in chosen] == [("Food > Bread (merged into Fresh)", True)]
    user = text_of(client.get(f"/users/u0/?label={labels['Bread'].pk}"))
    assert "Food &gt; Bread (merged into Fresh)" in user
    with translation.override("zh-hans"):
        assert "Bread" in names_of_labels([labels["Bread"].pk])[labels["Bread"].pk]


def test_conflicts_tell_of_labels_only_what_is_true(labels, staff) -> None:
    content = RuleContent("exclude", of_labels(labels["Bread"]))
    assert said(content) == []
    merge(labels["Bread"], labels["Bakery"], staff)
    followed = "The label “Food > Bread” was merged into “Food > Bakery”: the rule is about “Food > Bakery” now."
    assert said(content) == [("info", followed)]
    bakery = Label.objects.get(pk=labels["Bakery"].pk)
    taxonomy_edits.deprecate_label(bakery.pk, expected_path=bakery.path, staff=staff)
    out_of_use = "The label “Food > Bakery” is deprecated: only items that people gave it still have it."
    assert said(content) == [("warning", out_of_use), ("info", followed)]
    assert said(RuleContent("exclude", of_labels(labels["Bakery"]))) == [("warning", out_of_use)]


def test_two_rules_meet_where_one_names_the_label_and_the_other_what_it_became(labels, staff) -> None:
    published("No bakery", RuleContent("exclude", of_labels(labels["Bakery"])))
    mine = RuleContent("boost", of_labels(labels["Bread"]), strength=1.0)
    assert said(mine) == []
    merge(labels["Bread"], labels["Bakery"], staff)
    assert [kind for kind, _ in said(mine)] == ["warning", "info"]
    assert "“No bakery” is about some of the same items" in said(mine)[0][1]


def test_the_impact_of_a_merge_counts_rules_that_go_on(labels, staff) -> None:
    """The lists told before are those served after, with a rule that names the label that goes."""
    published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    changes = label_changes.of_merging([labels["Bread"].pk], labels["Bakery"].pk)
    user = EndUser.objects.get(external_id="u0")
    told = listed(user, PlannedShelf(changes, {}))
    found = label_impact.label_impact(changes, budget_s=60.0)
    assert found.rules == ("No bread",)
    assert (found.among, found.changed) == (10, 10)  # a2 and a3 leave everybody's list
    assert set(found.examples[0].lost) == {"Item 2", "Item 3"} and found.examples[0].gained == ()
    merge(labels["Bread"], labels["Bakery"], staff)
    served = shown("u0", n=label_impact.LIST_LENGTH)
    assert Item.objects.filter(pk__in=told).count() == len(served)
    assert [Item.objects.get(pk=pk).external_id for pk in told] == served


def test_a_merge_of_an_empty_label_changes_lists_by_the_rules_that_name_it(labels, staff) -> None:
    empty = LabelFactory(name="Buns", taxonomy=labels["Food"].taxonomy)
    changes = label_changes.of_merging([empty.pk], labels["Bakery"].pk)
    assert changes.is_only_branches and not changes.is_nothing
    assert label_impact.label_impact(changes).among == 0
    published("No buns", RuleContent("exclude", of_labels(empty)))
    found = label_impact.label_impact(changes, budget_s=60.0)
    assert (found.rules, found.among, found.changed) == (("No buns",), 10, 10)


def test_planned_branches_are_those_after_the_merge(labels, staff) -> None:
    earlier = LabelFactory(
        name="Loaves", taxonomy=labels["Food"].taxonomy, merged_into=labels["Bread"], is_deprecated=True
    )
    below = LabelFactory(name="Rye", taxonomy=labels["Food"].taxonomy, parent=labels["Bakery"])
    other = LabelFactory(name="Soap")
    roots = sorted(label.pk for label in (*labels.values(), earlier, below, other))
    changes = label_changes.LabelChanges(
        moved={below.pk: labels["Tea"].pk}, merged={labels["Bread"].pk: labels["Tea"].pk}
    )
    planned = PlannedShelf(changes, {}).branches(roots)
    Label.objects.filter(pk=below.pk).update(parent=labels["Tea"])
    Label.objects.filter(pk=labels["Bread"].pk).update(merged_into=labels["Tea"], is_deprecated=True)
    assert planned == Label.objects.all().branches(roots)
    assert below.pk in planned[earlier.pk] and below.pk not in planned[labels["Bakery"].pk]


def test_a_list_asks_as_many_queries_with_many_merged_labels_as_with_one(labels, staff) -> None:
    merge(labels["Bread"], labels["Bakery"], staff)
    rule = published("No bread", RuleContent("exclude", of_labels(labels["Bread"])))
    shown("u0")
    with CaptureQueriesContext(connection) as one:
        shown("u0")
    many = [
        LabelFactory(name=f"Old {n}", taxonomy=labels["Food"].taxonomy, merged_into=labels["Tea"]) for n in range(20)
    ]
    Rule.objects.filter(pk=rule.pk).update(scope=of_labels(*many).as_json())
    with CaptureQueriesContext(connection) as twenty:
        shown("u0")
    assert len(twenty) == len(one)
    assert set(read([Rule.objects.get(pk=rule.pk)]).branches()) == {label.pk for label in many}
