"""What preparation of files and imports left out or changed, as the data-quality page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_noop

from recommender.models import PreparationReport

REPORTS = 10
COLUMNS = ("user", "item", "title", "type", "quantity", "price", "time", "basket")

# Sentences of preparation that are shown here, for the translators to find.
gettext_noop("Rows that are no event: what is missing or cannot be right is said with each.")
gettext_noop("Rows that were stored before, or stand twice in the file: stored once.")
gettext_noop("Unknown ids of items that the catalog has in another case or with other spaces.")
gettext_noop("Quantities below zero: a refund of that quantity.")
gettext_noop("Refunds without an earlier purchase, or of more than was bought; stored nevertheless.")
gettext_noop("Items whose names look like postage, vouchers or fees; stored, hide them if nobody should see them.")
gettext_noop("Till rows and products that the demo leaves out; each with its reason.")
gettext_noop("Ids of items written in several ways become one.")
gettext_noop("Rows without item, time or quantity.")
gettext_noop("Rows that say word for word what an earlier row says.")
gettext_noop("Notes about stock and what was given away: no price was paid.")
gettext_noop("Postage, fees, adjustments, vouchers, samples and tests: sold, but no items.")
gettext_noop("Cancellations, and the purchases they took back.")
gettext_noop("Cancellations that found no earlier purchase, or not enough, to take from.")
gettext_noop("Users who act faster than a person can.")
gettext_noop("Prices far from what the item costs, brought to the limit.")
gettext_noop("Quantities far from what is usual for item and customer, brought to the limit.")
gettext_noop("Rows of one basket at several times get its first.")
gettext_noop("Items with several names get the good one used most, lately above all.")
gettext_noop("Purchases of nobody we know: in no history, kept apart as baskets.")


TITLES = {
    "rejected": gettext_noop("Rejected"),
    "ids": gettext_noop("Ids"),
    "missing": gettext_noop("Missing values"),
    "duplicates": gettext_noop("Duplicates"),
    "stock_notes": gettext_noop("Notes about stock"),
    "non_items": gettext_noop("Not items"),
    "cancellations": gettext_noop("Cancellations"),
    "unmatched": gettext_noop("Cancellations of nothing"),
    "bots": gettext_noop("Bots"),
    "prices": gettext_noop("Prices"),
    "quantities": gettext_noop("Quantities"),
    "times": gettext_noop("Times"),
    "titles": gettext_noop("Names"),
    "anonymous": gettext_noop("Without a customer"),
}


@dataclass(frozen=True)
class ShownRow:
    row: int
    values: tuple[str | float, ...]
    reason: str


@dataclass(frozen=True)
class ShownStep:
    """`share`: what it dropped or changed, of all rows. `columns`: which values its rows have."""

    step: str
    title: str
    words: str
    dropped: int
    changed: int
    share: float
    columns: tuple[str, ...]
    rows: tuple[ShownRow, ...]


@dataclass(frozen=True)
class ShownReport:
    """`quiet` steps found nothing."""

    report: PreparationReport
    steps: tuple[ShownStep, ...]
    quiet: tuple[ShownStep, ...]

    @property
    def share_kept(self) -> float | None:
        return self.report.rows_out / self.report.rows_in if self.report.rows_in else None


def newest_reports() -> list[PreparationReport]:
    return list(PreparationReport.objects.newest_first().defer("steps")[:REPORTS])


def shown_report(pk: int | None) -> ShownReport | None:
    """That report, or the newest; None where there is none."""
    reports = PreparationReport.objects.newest_first().select_related("job")
    report = (reports.filter(pk=pk) if pk is not None else reports).first()
    if report is None:
        return None
    steps = tuple(_step(told, report.rows_in) for told in report.steps)
    found = tuple(step for step in steps if step.dropped or step.changed or step.rows)
    return ShownReport(report, found, tuple(step for step in steps if step not in found))


def _step(told: Mapping[str, Any], rows_in: int) -> ShownStep:
    name = str(told["step"])
    rows = told.get("rows", [])
    columns = tuple(column for column in COLUMNS if any(row["values"].get(column) not in (None, "") for row in rows))
    return ShownStep(
        step=name,
        title=gettext(TITLES.get(name, name)),
        words=gettext(told["words"]) if told["words"] else "",
        dropped=told["dropped"],
        changed=told["changed"],
        share=(told["dropped"] + told["changed"]) / rows_in if rows_in else 0.0,
        columns=columns,
        rows=tuple(
            ShownRow(row["row"], tuple(_shown(row["values"].get(column)) for column in columns), row["reason"])
            for row in rows
        ),
    )


def _shown(value: object) -> str | float:
    if isinstance(value, int | float):
        return int(value) if float(value).is_integer() else round(float(value), 4)
    return "" if value is None else str(value)
