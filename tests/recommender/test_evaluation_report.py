"""A stored report as it is read: words, order, verdicts, and every part that may be missing."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.evaluation_chart import chart_of
from recommender.evaluation_comparison import compared_metrics, verdict
from recommender.evaluation_exports import report_csv
from recommender.evaluation_report import view_of
from recommender.evaluation_words import METRICS, of_hundred, p_value_words
from tests.recommender.evaluation_reports import baseline, whole_report


def test_figures_are_said_in_words_with_their_intervals() -> None:
    view = view_of(whole_report(), strategy="")
    said = {figure.key: figure.words for figure in view.headlines}
    assert said["hr@10"] == ("In 100 lists of ten, 36 held an item the user took next (with other users: 34 to 38)")
    assert said["precision@10"] == "Of 100 items shown, 4.2 were taken next (with other users: 3.9 to 4.5)"
    assert list(said) == ["hr@10", "ndcg@10", "precision@10", "recall@10", "f1@10"]


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0"), (0.042, "4.2"), (0.0994, "9.9"), (0.0996, "10"), (0.36, "36"), (1.0, "100")]
)
def test_a_share_reads_as_so_many_of_a_hundred(share: float, words: str) -> None:
    assert of_hundred(share) == words


def test_the_strongest_baseline_comes_first_and_is_told_from_chance_by_its_interval() -> None:
    view = view_of(whole_report(), strategy="")
    assert [one.key for one in view.baselines] == ["ease", "itemknn", "repeat", "pop"]
    assert view.strongest is not None
    assert view.strongest.words == "Better than EASE; chance alone would do this once in 80 times"
    by_key = {one.key: one for one in view.baselines}
    assert by_key["pop"].words == "Better than Popular; chance alone would do this less than once in 1,000 times"


@pytest.mark.parametrize(
    ("low", "high", "ndcg", "kind", "words"),
    [
        (-0.002, 0.018, 0.104, "chance", "No difference to EASE that can be told from chance"),
        (0.0, 0.018, 0.104, "chance", "No difference to EASE that can be told from chance"),
        (-0.03, -0.01, 0.132, "worse", "Worse than EASE; chance alone would do this once in 20 times"),
    ],
)
def test_a_difference_whose_interval_holds_0_is_no_difference(
    low: float, high: float, ndcg: float, kind: str, words: str
) -> None:
    report = whole_report(baselines={"ease": baseline(ndcg, low, high, 0.05)})
    (beside,) = view_of(report, strategy="").baselines
    assert (beside.kind, beside.words) == (kind, words)


def test_sources_are_ordered_by_what_is_lost_without_them() -> None:
    view = view_of(whole_report(), strategy="")
    assert [(one.source, one.kind) for one in view.ablation] == [
        ("neighbours", "earns"),
        ("interest", "earns"),
        ("popular", "slight"),
        ("new", "harms"),
    ]
    assert view.ablation[0].lost == pytest.approx(0.041)


def test_a_source_is_set_against_the_lists_of_the_ablation_with_all_sources() -> None:
    report = whole_report(ablation={"all": 0.118, "next": 0.113, "popular": 0.121})
    found = view_of(report, strategy="").ablation
    assert [(one.source, one.kind) for one in found] == [("next", "earns"), ("popular", "harms")]
    assert found[0].lost == pytest.approx(0.005)


def test_weights_are_shares_of_each_length_of_history_in_one_order_of_sources() -> None:
    view = view_of(whole_report(), strategy="")
    assert [source for source, _ in view.weight_sources] == ["popular", "new", "neighbours", "interest"]
    assert (view.weights[0].name, view.weights[0].shares) == ("No history", (0.75, 0.25, 0.0, 0.0))
    assert view.weights[1].shares == pytest.approx((0.2, 0.1, 0.6, 0.1))


def test_slices_that_are_null_stay_with_dashes_and_missing_ones_are_left_out() -> None:
    slices = {"cold": {"n": 0, "hr@10": None, "ndcg@10": None}, "by_history": {"few": {"n": 9, "hr@10": 0.1}}}
    view = view_of(whole_report(slices=slices), strategy="")
    assert [(one.n, one.hit_rate, one.ndcg) for one in view.slices] == [(0, None, None), (9, 0.1, None)]


def test_an_empty_report_is_read_without_figures() -> None:
    view = view_of({}, strategy="default v1")
    assert view.strategy == "default v1"
    assert [figure.value for figure in view.figures] == [None] * len(METRICS)
    assert (view.baselines, view.strongest, view.ablation, view.slices, view.weights) == ((), None, (), (), ())
    assert chart_of(view, "ndcg@10").bars == ()
    assert "could not be computed" in chart_of(view, "ndcg@10").summary


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(-2, 2) | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(sorted(whole_report())), value=JSON)
def test_any_part_may_hold_anything_and_the_rest_is_still_read(name: str, value: Any) -> None:
    report = whole_report(**{name: value})
    view = view_of(report, strategy="x")
    chart_of(view, "ndcg@10")
    compared_metrics([view, view_of({}, strategy="y")])
    report_csv(report)
    if name not in ("hr@10", "ci95"):
        assert view.figure("hr@10").value == 0.36


def test_the_chart_holds_the_strategy_first_and_baselines_from_best_to_worst() -> None:
    chart = chart_of(view_of(whole_report(), strategy=""), "ndcg@10")
    assert [bar.name for bar in chart.bars] == ["default v1", "EASE", "ItemKNN", "Repeats", "Popular"]
    assert chart.columns[0] == ["default v1", 0.112, 0.104, 0.121, True]
    assert chart.columns[1] == ["EASE", 0.101, None, None, False]
    assert chart.summary == "default v1 has NDCG 0.112, the best baseline, EASE, has 0.101."


def test_reports_side_by_side_mark_the_highest_and_say_what_intervals_tell() -> None:
    first = view_of(whole_report(), strategy="")
    near = view_of(
        whole_report(**{"ndcg@10": 0.105, "strategy": "calm v2", "ci95": {"ndcg@10": [0.1, 0.11]}}), strategy=""
    )
    far = view_of(
        whole_report(**{"ndcg@10": 0.09, "strategy": "old v1", "ci95": {"ndcg@10": [0.08, 0.1]}}), strategy=""
    )
    rows = {row.key: row for row in compared_metrics([near, first])}
    assert [one.is_best for one in rows["ndcg@10"].figures] == [False, True]
    assert [one.is_best for one in rows["hr@10"].figures] == [False, False]  # the same: none is higher
    assert verdict([near, first]) == (
        "default v1 has the highest NDCG, 0.007 above calm v2; their intervals overlap, so it may be chance."
    )
    assert verdict([far, first]).endswith("their intervals lie apart, so it is hardly chance.")
    assert verdict([first, first]) == "default v1 and default v1 have the same NDCG."
    assert verdict([first, view_of({}, strategy="y")]) == ""


def test_a_report_becomes_one_row_a_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(whole_report(warnings=["few users"])))))
    found = {(row["part"], row["name"], row["figure"]): row for row in rows}
    assert len(found) == len(rows)
    assert found["all", "", "ndcg@10"]["low"] == "0.104"
    assert found["baseline", "ease", "ndcg_difference"]["high"] == "0.019"
    assert found["slice", "by_history few", "hr@10"]["value"] == "0.31"
    assert found["weight", "none", "popular"]["value"] == "3.0"
    assert found["warning", "", ""]["value"] == "few users"


@pytest.mark.parametrize(
    ("p_value", "words"), [(None, "–"), (0.0002, "p < .001"), (0.0125, "p = .013"), (1.0, "p = 1.")]
)
def test_p_values_are_written_as_papers_do(p_value: float | None, words: str) -> None:
    assert p_value_words(p_value).startswith(words)
