"""What planned changes of labels do to lists, told before: the same lists that are served once they are saved."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import label_changes, review, review_bulk, taxonomy_edits, taxonomy_merges
from catalog.label_changes import LabelChanges
from catalog.models import ItemLabel, Label
from recommender import interests, label_impact, neighbours
from recommender.label_impact import LabelImpact, SoFar, listed
from recommender.models import EndUser, InterestLabel, Rule
from recommender.planned_shelf import PlannedShelf
from recommender.slates import recommend
from recsite.operations.models import Job
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StaffFactory,
    StrategyFactory,
    unit_vector,
)
from tests.pages import staff_client, text_of

pytestmark = pytest.mark.django_db

NEWEST = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture()
def staff() -> User:
    return StaffFactory()


@pytest.fixture()
def labels() -> dict[str, Label]:
    """Forty items in five labels, ten users who take a few of one or two; lists go by labels above all."""
    food = LabelFactory(name="Food")
    made = {"Food": food}
    for name in ("Bread", "Rolls", "Cheese", "Tea"):
        made[name] = LabelFactory(taxonomy=food.taxonomy, parent=food, name=name)
    made["Soap"] = LabelFactory(taxonomy=food.taxonomy, name="Soap")
    leaves = [made[name] for name in ("Bread", "Rolls", "Cheese", "Tea", "Soap")]
    items = [
        ItemFactory(external_id=f"i{place}", title=f"Thing {place}", vector=unit_vector(place)) for place in range(40)
    ]
    for place, item in enumerate(items):
        ItemLabelFactory(item=item, label=leaves[place % 5], confidence=round(0.9 - 0.01 * place, 2))
    for user in range(10):
        own = [items[(user % 5) + 5 * step] for step in range(user % 4, user % 4 + 3)]
        known = EndUserFactory(external_id=f"u{user}")
        for hours, item in enumerate(own):
            EventFactory(user=known, item=item, type="purchase", occurred_at=NEWEST - timedelta(hours=hours))
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    StrategyFactory(
        recipe={
            "weights": {"label_affinity": 1.0, "popular": 0.2},
            "candidates_per_source": 8,
            "explore_share": 0.0,
            "is_fitted": False,
        },
        is_live=True,
    )
    return made


def told(changes: LabelChanges) -> dict[str, list[int]]:
    return {user.external_id: listed(user, PlannedShelf(changes, {})) for user in EndUser.objects.order_by("pk")}


def served() -> dict[str, list[int]]:
    interests.rebuild_all()
    names = EndUser.objects.order_by("pk").values_list("external_id", flat=True)
    return {name: [each.item.pk for each in recommend(name, record=False).items] for name in names}


def test_without_a_change_the_lists_are_those_served(labels) -> None:
    assert told(LabelChanges()) == served()


def test_a_merge_does_to_lists_what_was_told(labels, staff) -> None:
    bread, rolls = labels["Bread"], labels["Rolls"]
    ItemLabelFactory(
        item__external_id="i99", item__vector=unit_vector(99), label=rolls, decision="accepted", final_label=rolls
    )
    before, changes = served(), label_changes.of_merging([rolls.pk], bread.pk)
    expected = told(changes)
    paths = {bread.pk: bread.path, rolls.pk: rolls.path}
    taxonomy_merges.merge_labels([rolls.pk], bread.pk, expected_paths=paths, staff=staff)
    assert served() == expected != before


def test_accepting_does_to_lists_what_was_told(labels, staff) -> None:
    chosen = ItemLabel.objects.filter(label=labels["Cheese"], confidence__lt=0.7)
    before, expected = served(), told(label_changes.of_accepting(chosen))
    review.accept(list(chosen.values_list("pk", flat=True)), reviewer=staff)
    assert served() == expected != before


def test_rejecting_does_to_lists_what_was_told(labels, staff) -> None:
    chosen = ItemLabel.objects.filter(label=labels["Cheese"], confidence__lt=0.7)
    before, expected = (
        served(),
        told(label_changes.of_rejecting(review_bulk.selected(chosen.values_list("pk", flat=True)))),
    )
    review.reject(list(chosen.values_list("pk", flat=True)), reviewer=staff)
    assert served() == expected != before
    rejected = list(chosen.values_list("pk", flat=True))
    assert label_changes.of_rejecting(review_bulk.selected(rejected)).is_nothing  # people's decisions stay


def test_whom_it_reaches_is_counted_among_a_part_of_very_many_users(labels, monkeypatch) -> None:
    changes = label_changes.of_merging([labels["Rolls"].pk], labels["Bread"].pk)
    exact = label_impact.label_impact(changes)
    monkeypatch.setattr(label_impact, "COUNTED_USERS", 5)  # each second of the ten
    monkeypatch.setattr(label_impact, "SAMPLE_USERS", 1)
    part = label_impact.label_impact(changes)
    resting = set(InterestLabel.objects.all().users_resting_on(changes.label_ids, changes.item_ids, n=10)[1])
    assert part.users == 2 * sum(pk % 2 == 0 for pk in resting)
    assert part.drawn[0] % 2 == 0 and part.drawn[0] in resting
    monkeypatch.setattr(label_impact, "SAMPLE_USERS", 10)  # fewer in the part: among all
    assert label_impact.label_impact(changes).users == exact.users == len(resting)


def test_a_move_changes_lists_only_by_rules_about_a_branch(labels, staff) -> None:
    changes = label_changes.of_moving(labels["Bread"].pk, labels["Soap"].pk)
    found = label_impact.label_impact(changes)
    assert (found.sample, found.among, found.rules) == (0, 0, ())
    Rule.objects.create(
        name="No soap",
        action="exclude",
        scope={"labels": [labels["Soap"].pk]},
        state="published",
        published_at=timezone.now() - timedelta(days=1),
    )
    found = label_impact.label_impact(changes)
    assert found.rules == ("No soap",) and found.among == 10 and found.changed > 0
    before, expected = served(), told(changes)
    taxonomy_edits.move_label(labels["Bread"].pk, labels["Soap"].pk, expected_path=labels["Bread"].path, staff=staff)
    assert served() == expected != before


def test_deprecating_gives_undecided_items_their_next_best_suggestion(labels) -> None:
    item = ItemLabel.objects.filter(label=labels["Tea"]).order_by("pk").first().item
    ItemLabelFactory(item=item, label=labels["Cheese"], rank=2, confidence=0.4, is_assigned=False)
    changes = label_changes.of_deprecating(labels["Tea"].pk)
    assert [(each.item_id, each.label_id) for each in changes.given] == [(item.pk, labels["Cheese"].pk)]
    assert (len(changes.gone), changes.unanswered) == (8, 7)
    assert label_changes.of_splitting(labels["Tea"].pk).unanswered == 8


def test_telling_writes_nothing_and_looks_at_who_is_reached(labels) -> None:
    changes = label_changes.of_merging([labels["Rolls"].pk], labels["Bread"].pk)
    stored = list(ItemLabel.objects.order_by("pk").values())
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = label_impact.label_impact(changes, budget_s=60.0)
    written = [q["sql"] for q in asked if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
    assert written == [] and not Job.objects.exists()
    assert not any("FOR UPDATE" in q["sql"] for q in asked)
    assert list(ItemLabel.objects.order_by("pk").values()) == stored
    assert found.users == found.among == found.looked_at == found.sample and found.is_exact
    assert 0 < found.changed == found.lists and found.of == 10
    assert 1 <= len(found.examples) <= 3
    assert all(each.gained or each.lost for each in found.examples)


def test_the_sample_is_looked_at_in_parts_that_add_up(labels) -> None:
    changes = label_changes.of_merging([labels["Rolls"].pk], labels["Bread"].pk)
    whole, parts, shown = label_impact.label_impact(changes, budget_s=60.0), 0, []
    part = label_impact.label_impact(changes, budget_s=0.0)
    assert (part.looked_at, part.next_start, part.users) == (0, 0, whole.users)  # at first, whom it reaches
    while part.next_start is not None:
        so_far = SoFar(part.users, part.drawn, part.looked_at, part.changed, len(shown))
        part = label_impact.label_impact(changes, so_far=so_far, budget_s=0.0)
        parts += 1
        shown += part.examples
    changed = part.changed
    assert (changed, parts) == (whole.changed, whole.sample)
    assert 1 <= len(shown) <= 3 and len(set(shown)) == len(shown)


def test_the_estimate_has_an_interval_that_holds_what_was_seen() -> None:
    seen = LabelImpact(
        LabelChanges(), users=900, of=1000, among=900, drawn=tuple(range(60)), looked_at=60, changed=15, examples=()
    )
    assert seen.lists == 225
    assert seen.interval == (142, 335)  # 900 times Wilson's interval of 15 in 60: 0.158 to 0.372
    few = replace(seen, among=61, changed=1)
    assert few.interval[0] >= 1 and few.interval[1] <= 2
    assert replace(seen, among=60).interval == (15, 15)


def test_too_many_items_are_not_tried(labels, monkeypatch) -> None:
    monkeypatch.setattr(label_changes, "MOST_ROWS", 3)
    found = label_impact.label_impact(label_changes.of_splitting(labels["Tea"].pk))
    assert found.changes.is_too_much and found.users > 0 and found.sample == 0


def test_dialogs_say_how_many_lists_change_and_name_a_user(labels, monkeypatch) -> None:
    monkeypatch.setattr(label_impact, "BUDGET_S", 60.0)
    client = staff_client()
    page = client.get(f"/label-impact/?edit=merge&label={labels['Rolls'].pk}&into={labels['Bread'].pk}")
    assert page.status_code == 200
    words = text_of(page)
    assert "users change" in words and "users looked at" in words and "/users/u" in page.content.decode()
    dialog = client.post(f"/label-parts/{labels['Rolls'].pk}/merge/preview/", {"chosen": labels["Bread"].pk})
    assert f"edit=merge&amp;label={labels['Bread'].pk}&amp;into={labels['Rolls'].pk}" in dialog.content.decode()
    renamed = client.post(f"/label-parts/{labels['Rolls'].pk}/rename/preview/", {"name": "Buns"})
    assert "No list changes by a name alone." in text_of(renamed)
    refused = client.get(f"/label-impact/?edit=move&label={labels['Food'].pk}&into={labels['Tea'].pk}")
    assert "below" in text_of(refused)
    for nonsense in ("", "?label=x", "?edit=merge&label=1", f"?edit=split&label={10**15}", "?edit=merge&label=²"):
        assert client.get(f"/label-impact/{nonsense}").status_code == 200


def test_bulk_review_and_auto_accept_say_it_too(labels, monkeypatch) -> None:
    monkeypatch.setattr(label_impact, "BUDGET_S", 60.0)
    client = staff_client()
    confirm = client.get("/admin/catalog/itemlabel/bulk/accept/").content.decode()
    assert "/label-impact/review/?" in confirm
    found = text_of(client.get(f"/label-impact/review/?as_of={(timezone.now()).isoformat().replace('+', '%2B')}"))
    assert "users looked at" in found
    taxonomy = labels["Tea"].taxonomy
    assert (
        f"/label-impact/auto-accept/{taxonomy.slug}/"
        in client.get(f"/taxonomies/{taxonomy.slug}/auto-accept/").content.decode()
    )
    quiet = client.get(f"/label-impact/auto-accept/{taxonomy.slug}/?threshold=100&audit_share=5")
    assert "No user’s list changes." in text_of(quiet)
    loud = client.get(f"/label-impact/auto-accept/{taxonomy.slug}/?threshold=60&audit_share=1")
    assert "users looked at" in text_of(loud)


def test_the_page_of_many_at_once_says_what_accepting_and_rejecting_the_selected_does(labels, monkeypatch) -> None:
    monkeypatch.setattr(label_impact, "BUDGET_S", 60.0)
    client = staff_client()
    page = client.get("/admin/catalog/itemlabel/bulk/").content.decode()
    assert "/label-impact/review/?act=accept" in page and "/label-impact/review/?act=reject" in page
    rows = ItemLabel.objects.filter(label=labels["Cheese"], confidence__lt=0.7).values_list("pk", flat=True)
    named = "&".join(f"row={pk}" for pk in rows)
    stored = list(ItemLabel.objects.order_by("pk").values())
    for act in ("accept", "reject"):
        words = text_of(client.get(f"/label-impact/review/?act={act}&{named}"))
        assert "users change." in words and "users looked at" in words
    assert list(ItemLabel.objects.order_by("pk").values()) == stored


def test_with_nothing_selected_it_answers_without_looking(labels) -> None:
    client = staff_client()
    for query in ("", "?act=reject", "?act=accept&row=x"):
        with CaptureQueriesContext(connection) as asked:
            words = text_of(client.get(f"/label-impact/review/{query}"))
        assert words.strip() == "Nothing is selected, so no list changes."
        tables = (
            "recommender_interest",
            "recommender_enduser",
            "recommender_rule",
            "recommender_strategy",
        )  # the frame has its own
        assert not [q["sql"] for q in asked if any(table in q["sql"] for table in tables)]


def test_a_part_goes_on_where_the_one_before_it_ended(labels, monkeypatch) -> None:
    monkeypatch.setattr(label_impact, "BUDGET_S", 0.0)
    client = staff_client()
    address = f"/label-impact/?edit=merge&label={labels['Rolls'].pk}&into={labels['Bread'].pk}"
    answers, shown = 0, ""
    while address:
        shown = client.get(address).content.decode()
        answers += 1
        following = re.search(r'hx-get="([^"]+)"', shown)
        address = html.unescape(following[1]) if following else ""
    whole = label_impact.label_impact(label_changes.of_merging([labels["Rolls"].pk], labels["Bread"].pk), budget_s=60.0)
    assert answers == 1 + whole.sample
    assert f"Lists of {whole.changed} users change" in shown
    assert "drawn=1%2Cx" not in shown and client.get("/label-impact/review/?drawn=1,x&start=²&row=1").status_code == 200
