"""Charts of what labels claim and how right they were, over all taxonomies."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext

from catalog import confidence_page
from catalog.confidence import report_from
from recommender.attention import review_address
from recommender.findings import Found
from recommender.insights.activity import not_counted_yet
from recommender.insights.charts import Chart, Column, Empty


def histogram_chart(found: Found | None) -> Chart:
    report = report_from(found.value) if found else None
    bars = report.histogram if report else ()
    return Chart(
        key="confidence",
        question=gettext("How sure are the labels?"),
        drawn="histogram",
        x_title=gettext("Confidence"),
        y_title=gettext("First suggestions"),
        columns=(
            Column("from", gettext("From")),
            Column("to", gettext("To")),
            Column("suggestions", gettext("First suggestions")),
            Column("withheld", gettext("Withheld")),
            Column("accepted_automatically", gettext("Automatic")),
        ),
        rows=tuple((bar.low, bar.high, bar.n, bar.abstained, bar.automatic) for bar in bars),
        data=[[bar.low, bar.n, bar.abstained] for bar in bars],
        summary=confidence_page.histogram_summary(report) if report else "",
        as_of=found.computed_at if found else None,
        empty=_empty(bool(report and report.suggested), found),
        more=((gettext("Taxonomies"), reverse("taxonomies")),),
    )


def reliability_chart(found: Found | None) -> Chart:
    report = report_from(found.value) if found else None
    groups = ((gettext("Audits, at random"), report.audits), (gettext("Queue order"), report.queue)) if report else ()
    empty = _empty(bool(report and report.suggested), found)
    if empty is None and report is not None and not report.all.n:
        empty = Empty(
            gettext("Nothing decided yet"),
            gettext(
                "Accept, reject or correct suggestions in the review queue; the curve is drawn from those decisions."
            ),
            gettext("Review"),
            review_address(),
            "chart-dots",
        )
    return Chart(
        key="reliability",
        question=gettext("Are labels as right as they claim?"),
        drawn="reliability",
        x_title=gettext("Confidence claimed"),
        y_title=gettext("Really right"),
        columns=(
            Column("decided", gettext("Decided")),
            Column("from", gettext("From")),
            Column("to", gettext("To")),
            Column("right", gettext("Right")),
            Column("n", gettext("Count")),
            Column("accuracy", gettext("Share right")),
        ),
        rows=tuple(
            (name, one.low, one.high, one.right, one.n, one.accuracy) for name, group in groups for one in group.curve
        ),
        data=confidence_page.curve_data(report) if report else [],
        summary=confidence_page.curve_summary(report) if report else "",
        note=confidence_page.curve_note(report) if report else "",
        as_of=found.computed_at if found else None,
        empty=empty,
        more=((gettext("Review"), review_address()),),
    )


def _empty(has_any: bool, found: Found | None) -> Empty | None:
    if found is None:
        return not_counted_yet()
    if has_any:
        return None
    return Empty(
        gettext("No suggestions yet"),
        gettext("They appear within minutes of a running worker, once the taxonomy has labels and the catalog items."),
        gettext("See taxonomies"),
        reverse("taxonomies"),
        "chart-bar",
    )
