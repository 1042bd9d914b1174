"""Figures of evaluations in words: what each is called, what it means, and what a value of it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_lazy

METRICS = {
    "precision@10": gettext_lazy("Precision"),
    "recall@10": gettext_lazy("Recall"),
    "f1@10": gettext_lazy("F1"),
    "hr@10": gettext_lazy("Hit rate (HR)"),
    "ndcg@10": gettext_lazy("NDCG"),
    "mrr": gettext_lazy("MRR"),
    "coverage": gettext_lazy("Coverage"),
    "novelty": gettext_lazy("Novelty"),
    "diversity": gettext_lazy("Diversity"),
}
HEADLINES = ("hr@10", "ndcg@10", "precision@10", "recall@10", "f1@10")
# One sentence each, in the order in which a reader needs them; the key is a metric or a word of the page.
GLOSSARY = {
    gettext_lazy("Hit rate (HR)"): gettext_lazy(
        "The share of lists of ten that held at least one item the user went on to take."
    ),
    gettext_lazy("NDCG"): gettext_lazy(
        "How near the top of the list the taken items stand: 1 where they come first, less with every place further"
        " down, 0 where none is in the list."
    ),
    gettext_lazy("Precision"): gettext_lazy("The share of the items shown that the user went on to take."),
    gettext_lazy("Recall"): gettext_lazy("The share of what the user went on to take that the list held."),
    gettext_lazy("F1"): gettext_lazy(
        "Precision and recall in one figure, which is high only where both are (their harmonic mean)."
    ),
    gettext_lazy("MRR"): gettext_lazy(
        "One divided by the place of the first item that was taken, on average: .5 means second place."
    ),
    gettext_lazy("Coverage"): gettext_lazy("The share of the catalog that stands in at least one of the lists."),
    gettext_lazy("Novelty"): gettext_lazy(
        "How little known the items shown are, in bits: one more means half as many users had taken them."
    ),
    gettext_lazy("Diversity"): gettext_lazy("How unlike each other the items of a list are: 0 alike, 1 unrelated."),
    gettext_lazy("Interval of 95 in 100"): gettext_lazy(
        "Where the figure would lie, 95 times in 100, had other users like these been drawn; a short one comes of many"
        " users."
    ),
    gettext_lazy("p-value"): gettext_lazy(
        "How often chance alone would make a difference at least this large; below .05 it is taken for real."
    ),
    gettext_lazy("Baseline"): gettext_lazy(
        "A simple, well-known way to make a list, tuned as carefully as ours and judged on the same users; a strategy"
        " that does not beat it earns nothing."
    ),
    gettext_lazy("Ablation"): gettext_lazy(
        "The same lists made without one source: what is lost is what that source contributes."
    ),
}
BASELINE_NAMES = {
    "pop": gettext_lazy("Popular"),
    "itemknn": gettext_lazy("ItemKNN"),
    "ease": gettext_lazy("EASE"),
    "repeat": gettext_lazy("Repeats"),
}
BASELINE_WORDS = {
    "pop": gettext_lazy("what most users took lately"),
    "itemknn": gettext_lazy("what goes with what the user took, by pairs of items"),
    "ease": gettext_lazy("what goes with what the user took, all pairs weighed at once"),
    "repeat": gettext_lazy("what the user took before, most often and latest first"),
}
BUCKETS = {
    "none": gettext_lazy("No history"),
    "one": gettext_lazy("One item"),
    "few": gettext_lazy("A few items"),
    "many": gettext_lazy("Many items"),
}


def metric_name(metric: str) -> str:
    return str(METRICS.get(metric, metric))


def metric_words(metric: str, value: float | None, interval: tuple[float, float] | None) -> str:
    """What the value says, with its interval; empty where there is no value to speak of."""
    if value is None:
        return gettext("could not be computed")
    sentence = _sentence(metric)
    if not sentence:
        return ""
    words = sentence % {"n": of_hundred(value)}
    if interval is None:
        return words
    between = {"low": of_hundred(interval[0]), "high": of_hundred(interval[1])}
    range_in_words = gettext("(with other users: %(low)s to %(high)s)") % between
    return f"{words} {range_in_words}"


def _sentence(metric: str) -> str:
    if metric == "hr@10":
        return gettext("In 100 lists of ten, %(n)s held an item the user took next")
    if metric == "precision@10":
        return gettext("Of 100 items shown, %(n)s were taken next")
    if metric == "recall@10":
        return gettext("Of 100 items taken next, %(n)s were in the list")
    if metric == "f1@10":
        return gettext("Precision and recall together: %(n)s of 100")
    if metric == "ndcg@10":
        return gettext("%(n)s of the 100 points that a perfect order gets")
    if metric == "coverage":
        return gettext("Of 100 items of the catalog, %(n)s stand in some list")
    return ""


def of_hundred(share: float) -> str:
    """0..1 as so many of a hundred: one decimal below ten, because 4.2 and 3.8 differ there."""
    hundredths = 100 * share
    return f"{hundredths:.1f}" if 0 < abs(hundredths) < 9.95 else f"{hundredths:.0f}"


def difference_words(kind: str, baseline: str, p_value: float | None) -> str:
    """`kind` is that of Beside: what the interval of the difference says of the strategy."""
    chance = _chance_words(p_value)
    if kind == "better":
        words = gettext("Better than %(name)s%(chance)s")
    elif kind == "worse":
        words = gettext("Worse than %(name)s%(chance)s")
    elif kind == "chance":
        return gettext("No difference to %(name)s that can be told from chance") % {"name": baseline}
    else:
        return gettext("How it differs from %(name)s could not be computed") % {"name": baseline}
    return words % {"name": baseline, "chance": chance}


def _chance_words(p_value: float | None) -> str:
    if p_value is None:
        return ""
    if p_value < 0.001:
        return gettext("; chance alone would do this less than once in 1,000 times")
    return gettext("; chance alone would do this once in %(n)s times") % {"n": f"{1 / p_value:,.0f}"}


def p_value_words(p_value: float | None) -> str:
    """As papers write it."""
    if p_value is None:
        return "–"
    return "p < .001" if p_value < 0.001 else f"p = {p_value:.3f}".replace("0.", ".")


def weights_from_words(said: Mapping[str, Any]) -> str:
    """Where the weights come from. Older reports do not say: theirs were fitted before the split."""
    if said.get("kind") == "fit":
        if said.get("fit"):
            return gettext("As fit %(fit)s has them, which is in use now.") % {"fit": said["fit"]}
        return gettext("As a fit has them, which was given.")
    if said.get("kind") == "recipe":
        return gettext("As the recipe has them: no fit is in use.")
    return gettext("Fitted on days before the split.")


def encoder_words(said: Mapping[str, Any]) -> str:
    """What became of the interest encoder; nothing where the report does not say."""
    if "used" not in said:
        return ""
    before, after, p_value = (said.get(name) for name in ("before", "after", "p_value"))
    if not all(isinstance(value, int | float) for value in (before, after, p_value)):
        if said["used"]:
            return gettext("Interests went through the encoder that is live.")
        return gettext("Interests are as they are, without an encoder.")
    words = (
        gettext("An encoder of interests was trained before the split and used")
        if said["used"]
        else gettext("An encoder of interests was trained before the split and not used")
    )
    return gettext("%(words)s: NDCG of interests alone %(after)s instead of %(before)s (p = %(p)s).") % {
        "words": words,
        "after": f"{after:.4f}",
        "before": f"{before:.4f}",
        "p": f"{p_value:.3f}",
    }
