"""What became of suggestions, in hand-worked numbers: who counts as right, and what is never mixed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import abstaining, confidence, label_metrics, review
from catalog.models import ItemLabel, Taxonomy
from catalog.models.outcome import outcomes
from recsite.operations.errors import InvalidInputError, NotFoundError
from tests.catalog.opinions import decided, suggested
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def aisle() -> Taxonomy:
    return TaxonomyFactory(slug="aisle")


@pytest.fixture
def labels(aisle):
    return [LabelFactory(taxonomy=aisle, name=name) for name in ("Bread", "Milk", "Tea")]


def verdicts(taxonomy):
    return {(one.label_id, one.truth_id, one.confidence): one.is_right for one in confidence.judged(taxonomy.pk)}


# ---------------------------------------------------------------- who was right


def test_a_first_choice_is_right_where_it_was_accepted_only(aisle, labels):
    bread, milk, tea = labels
    staff = StaffFactory()
    accepted, corrected, rejected, beside, waiting = (suggested(bread, confidence=0.1 * n) for n in range(1, 6))
    second = ItemLabelFactory(item=beside.item, label=tea, rank=2, is_assigned=False, confidence=0.05)
    review.accept([accepted.pk], reviewer=staff)
    review.correct(corrected.pk, milk.pk, reviewer=staff)
    review.reject([rejected.pk], reviewer=staff)
    review.accept([second.pk], reviewer=staff)
    assert verdicts(aisle) == {
        (bread.pk, bread.pk, accepted.confidence): True,
        (bread.pk, milk.pk, corrected.confidence): False,
        (bread.pk, None, rejected.confidence): False,
        (bread.pk, tea.pk, beside.confidence): False,
    }
    assert waiting.confidence not in {one.confidence for one in confidence.judged(aisle.pk)}


def test_a_rejected_first_choice_learns_what_its_item_really_was(aisle, labels):
    staff = StaffFactory()
    first = suggested(labels[0])
    second = ItemLabelFactory(item=first.item, label=labels[1], rank=2, is_assigned=False, confidence=0.1)
    review.reject([first.pk], reviewer=staff)
    review.accept([second.pk], reviewer=staff)
    assert [(one.truth_id, one.is_right) for one in confidence.judged(aisle.pk)] == [(labels[1].pk, False)]


def test_a_second_choice_corrected_to_the_first_choices_label_says_that_the_first_was_right(aisle, labels):
    first = suggested(labels[0])
    second = ItemLabelFactory(item=first.item, label=labels[1], rank=2, is_assigned=False, confidence=0.1)
    review.correct(second.pk, labels[0].pk, reviewer=StaffFactory())
    assert [(one.truth_id, one.is_right) for one in confidence.judged(aisle.pk)] == [(labels[0].pk, True)]


def test_what_nobody_looked_at_and_what_people_or_feeds_brought_in_does_not_count(aisle, labels):
    decided(labels[0], right=True, is_automatic=True, reviewer=None)
    decided(labels[0], right=True, source=ItemLabel.Source.PERSON)
    decided(labels[0], right=True, source=ItemLabel.Source.IMPORT)
    decided(labels[0], right=True, superseded_at=timezone.now())
    assert confidence.judged(aisle.pk) == []


def test_of_several_choices_each_likely_label_is_judged_by_itself(labels):
    occasions = TaxonomyFactory(choice=Taxonomy.Choice.MULTIPLE)
    one, two, three = (LabelFactory(taxonomy=occasions) for _ in range(3))
    item = ItemFactory()
    decided(one, right=True, item=item, rank=1, confidence=0.9)
    decided(two, right=False, item=item, rank=2, confidence=0.7)
    decided(three, right=True, item=item, rank=3, confidence=0.2)  # an alternative that was never meant to be given
    assert [(row.label_id, row.is_right) for row in confidence.judged(occasions.pk)] == [
        (one.pk, True),
        (two.pk, False),
    ]


def test_audits_and_decisions_in_queue_order_are_measured_apart(aisle, labels):
    for is_right in (True, True, True, False):
        decided(labels[0], right=is_right, confidence=0.9, is_audit=True)
    for is_right in (True, False):
        decided(labels[0], right=is_right, confidence=0.5)
    report = confidence.report(aisle, confidence.judged(aisle.pk))
    assert (report.audits.n, report.audits.accuracy, report.audits.interval) == (4, 0.75, label_metrics.wilson(3, 4))
    assert (report.queue.n, report.queue.accuracy) == (2, 0.5)
    assert (report.all.n, report.all.right) == (6, 4)
    assert report.audits.calibration_error == pytest.approx(0.15)
    assert report.audits.brier == pytest.approx((3 * 0.01 + 0.81) / 4)
    assert report.queue.brier == pytest.approx(0.25)
    assert [(one.low, one.n, one.right) for one in report.audits.curve] == [(0.9, 4, 3)]
    assert report.queue.coverage == ((0.1, 1.0), (0.25, 1.0), (0.5, 1.0), (0.75, 0.5), (1.0, 0.5))


def test_nothing_decided_measures_as_nothing(aisle):
    report = confidence.report(aisle, [])
    assert (report.all.n, report.all.accuracy, report.all.calibration_error, report.all.curve) == (0, None, None, ())
    assert (report.suggested, report.abstained, report.automatic) == (0, 0, 0)


def test_the_histogram_counts_first_suggestions_by_twentieths(aisle, labels):
    for sure in (0.0, 0.04, 0.05, 0.96, 1.0):
        suggested(labels[0], confidence=sure)
    suggested(labels[0], confidence=0.06, is_assigned=False, is_abstained=True)
    ItemLabelFactory(label=labels[1], rank=2, confidence=0.5, is_assigned=False)
    bars = confidence.report(aisle, []).histogram
    assert [(bar.low, bar.n, bar.abstained) for bar in bars if bar.n] == [(0.0, 2, 0), (0.05, 2, 1), (0.95, 2, 0)]


# ---------------------------------------------------------------- by label


def test_labels_are_listed_worst_first_with_what_they_often_really_are(aisle, labels):
    bread, milk, tea = labels
    for _ in range(4):
        decided(bread, right=True)
    decided(bread, right=False, final_label=tea)
    for truth in (tea, tea, bread):
        decided(milk, right=False, final_label=truth)
    suggested(tea)
    found = confidence.label_precisions(aisle, confidence.judged(aisle.pk))
    assert [(one.label.name, one.suggested, one.decided, one.right) for one in found] == [
        ("Milk", 3, 3, 0),
        ("Bread", 5, 5, 4),
        ("Tea", 1, 0, 0),
    ]
    assert [(one.really and one.really.name, one.really_times) for one in found] == [("Tea", 2), ("Tea", 1), (None, 0)]
    assert (found[0].precision, found[2].precision) == (0.0, None)
    assert found[1].interval == label_metrics.wilson(4, 5)


def test_one_miss_of_one_does_not_lead_the_list_of_the_worst(aisle, labels):
    bread, milk, _ = labels
    decided(bread, right=False)
    for place in range(20):
        decided(milk, right=place < 8)
    found = confidence.label_precisions(aisle, confidence.judged(aisle.pk))
    assert [one.label.name for one in found] == ["Milk", "Bread"]


def test_the_report_takes_as_many_queries_for_many_rows_as_for_few(aisle, labels):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            rows = confidence.judged(aisle.pk)
            confidence.report(aisle, rows)
            confidence.label_precisions(aisle, rows)
        return len(captured)

    decided(labels[0], right=True)
    few = queries()
    for place in range(20):
        decided(labels[place % 3], right=place % 2 == 0, final_label=labels[(place + 1) % 3])
    assert queries() == few == 5


# ---------------------------------------------------------------- what the home page is told


def test_a_taxonomy_is_called_badly_calibrated_from_200_decisions_and_an_error_of_a_tenth(aisle, labels):
    for place in range(199):
        decided(labels[0], right=place % 2 == 0, confidence=0.9)
    assert confidence.badly_calibrated() == []
    decided(labels[0], right=False, confidence=0.9)
    assert [(one.taxonomy, one.decisions) for one in confidence.badly_calibrated()] == [(aisle, 200)]
    assert confidence.badly_calibrated()[0].calibration_error == pytest.approx(0.4)
    Taxonomy.objects.filter(pk=aisle.pk).update(is_active=False)
    assert confidence.badly_calibrated() == []


def test_old_claims_are_forgiven_once_newer_ones_are_honest(labels):
    long_ago = timezone.now() - timedelta(days=90)
    for _ in range(200):
        decided(labels[0], right=False, confidence=0.9, decided_at=long_ago)
    assert len(confidence.badly_calibrated()) == 1
    for place in range(500):
        decided(labels[0], right=place % 10 > 0, confidence=0.9)
    assert confidence.badly_calibrated() == []


def test_a_well_calibrated_taxonomy_is_not_reported(labels):
    for place in range(200):
        decided(labels[0], right=place % 10 > 0, confidence=0.9)
    assert confidence.badly_calibrated() == []


# ---------------------------------------------------------------- abstaining


def states(*rows):
    for row in rows:
        row.refresh_from_db()
    return [(row.is_assigned, row.is_abstained, row.decision) for row in rows]


def test_raising_the_limit_withholds_undecided_first_choices_and_lowering_it_gives_them_back(aisle, labels):
    staff = StaffFactory()
    unsure, sure = suggested(labels[0], confidence=0.3), suggested(labels[0], confidence=0.5)
    mine = decided(labels[0], right=True, confidence=0.1)
    second = ItemLabelFactory(item=sure.item, label=labels[1], rank=2, confidence=0.2, is_assigned=False)
    assert abstaining.set_abstain_below(aisle.pk, 0.5, staff=staff) == 1
    assert states(unsure, sure, mine, second) == [
        (False, True, ""),
        (True, False, ""),
        (True, False, "accepted"),
        (False, False, ""),
    ]
    assert abstaining.set_abstain_below(aisle.pk, 0.5, staff=staff) == 0
    assert abstaining.set_abstain_below(aisle.pk, 0.1, staff=staff) == 1
    assert states(unsure, second) == [(True, False, ""), (False, False, "")]
    aisle.refresh_from_db()
    assert aisle.abstain_below == 0.1


def test_an_item_whose_second_choice_was_accepted_is_not_given_its_first_again(aisle, labels):
    staff = StaffFactory()
    first = suggested(labels[0], confidence=0.3)
    second = ItemLabelFactory(item=first.item, label=labels[1], rank=2, confidence=0.2, is_assigned=False)
    review.accept([second.pk], reviewer=staff)
    assert abstaining.set_abstain_below(aisle.pk, 0.1, staff=staff) == 0
    assert abstaining.set_abstain_below(aisle.pk, 0.9, staff=staff) == 0
    assert states(first) == [(False, False, "")]


def test_the_preview_counts_what_setting_it_then_does(aisle, labels):
    for sure in (0.1, 0.25, 0.35, 0.9):
        suggested(labels[0], confidence=sure)
    decided(labels[0], right=True, confidence=0.3)
    decided(labels[0], right=False, confidence=0.3)
    abstaining.set_abstain_below(aisle.pk, 0.2, staff=StaffFactory())
    aisle.refresh_from_db()
    preview = abstaining.preview(aisle, 0.4, confidence.judged(aisle.pk))
    assert (preview.given_now, preview.withheld_now, preview.given, preview.withheld) == (3, 1, 1, 3)
    assert (preview.decided_below, preview.right_below, preview.withheld_more) == (2, 1, 2)
    abstaining.set_abstain_below(aisle.pk, 0.4, staff=StaffFactory())
    assert outcomes(aisle.pk).filter(is_abstained=True).count() == 3


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_an_impossible_limit_is_refused_and_changes_nothing(value, aisle, labels):
    row = suggested(labels[0], confidence=0.1)
    with pytest.raises(InvalidInputError, match="from 0 to 1"):
        abstaining.set_abstain_below(aisle.pk, value, staff=StaffFactory())
    aisle.refresh_from_db()
    assert (aisle.abstain_below, states(row)) == (0.2, [(True, False, "")])


def test_abstaining_is_not_a_setting_of_several_choices_nor_of_what_is_not_there():
    several = TaxonomyFactory(choice=Taxonomy.Choice.MULTIPLE)
    with pytest.raises(InvalidInputError, match="one label an item"):
        abstaining.set_abstain_below(several.pk, 0.4, staff=StaffFactory())
    with pytest.raises(NotFoundError, match="does not exist"):
        abstaining.set_abstain_below(0, 0.4, staff=StaffFactory())


def test_judged_rows_come_oldest_decision_first(aisle, labels):
    now = timezone.now()
    for days, sure in ((1, 0.3), (3, 0.1), (2, 0.2)):
        decided(labels[0], right=True, confidence=sure, decided_at=now - timedelta(days=days))
    assert [one.confidence for one in confidence.judged(aisle.pk)] == [0.1, 0.2, 0.3]
