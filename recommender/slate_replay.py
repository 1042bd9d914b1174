"""The question of a served slate asked again, now or as of then, and two slates compared: what differs, and why.

Nothing is stored, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext

from catalog.models import Item, ItemLabel
from recommender import rules as list_rules
from recommender import slates
from recommender.audit import missing_of
from recommender.models import Event, Rule, Slate, Strategy
from recommender.remembering_shelf import RememberingShelf
from recommender.scopes import scope_from
from recommender.shelves import Shelf
from recommender.slate_causes import Cause, Recorded, causes_between, recorded
from recommender.slate_differences import Change, Difference, Entry, difference
from recommender.slate_versions import versions_of
from recommender.slates import Computed, Question, RankedItem
from recommender.strategies import named_strategy
from recsite.operations.errors import NotFoundError
from recsite.operations.templatetags.console import number

OF_THE_USER = ("interests_built_at", "interests_event_id", "last_event_id", "as_of")
When = Literal["now", "then"]


@dataclass(frozen=True)
class Line:
    """A change with its item; reason: why the second list lost it, '' where only its score says."""

    change: Change
    item: Item | None
    reason: str = ""


@dataclass(frozen=True)
class Compared:
    """before and after: how the two lists are named."""

    before: str
    after: str
    difference: Difference
    lines: tuple[Line, ...]
    causes: tuple[Cause, ...]

    @property
    def is_unexplained(self) -> bool:
        return not self.difference.is_same and not self.causes and not any(line.reason for line in self.lines)


def replays(slate: Slate) -> tuple[Compared, Compared]:
    """As of then, and now; see `replay`."""
    shelf = RememberingShelf()
    return replay(slate, when="then", shelf=shelf), replay(slate, when="now", shelf=shelf)


def replay(slate: Slate, *, when: When, shelf: Shelf | None = None) -> Compared:
    """slate: with its items, as audit.find_slate gives it. Raises InvalidInputError where its filter is of no use any
    more."""
    computed = _then(slate, shelf) if when == "then" else _now(slate, shelf)
    ranked = slates.ranked_items(computed)
    before, after = recorded(slate), _recorded(computed, ranked)
    # The user of then is rebuilt from events, and today's events are counted; see _since.
    theirs = OF_THE_USER if when == "then" else ("last_event_id",)
    after = replace(after, versions={**after.versions, **{name: before.versions.get(name) for name in theirs}})
    if when == "then":
        after = replace(after, arm=before.arm)
    served = entries_of(slate)
    changed = difference(served, [_entry(each) for each in ranked])
    causes = [*_since(slate, computed, when), *causes_between(before, after)]
    causes += _labels(slate, changed)
    items = _items(changed)
    lines = tuple(
        Line(each, items.get(each.item_id), _reason(each, computed, items.get(each.item_id)))
        for each in changed.changes
    )
    title = gettext("Now") if when == "now" else gettext("As of then")
    return Compared(gettext("As served"), title, changed, lines, tuple(causes))


def compare(a: Slate, b: Slate) -> Compared:
    """Two slates with their items, in the same words."""
    changed = difference(entries_of(a), entries_of(b))
    causes = causes_between(recorded(a), recorded(b))
    for slate in (a, b):
        causes += _erased(slate)
    items = _items(changed)
    lines = tuple(Line(each, items.get(each.item_id)) for each in changed.changes)
    return Compared("A", "B", changed, lines, tuple(causes))


def entries_of(slate: Slate) -> list[Entry]:
    return [Entry(row.item_id, row.position, row.score, _sums(row.parts)) for row in slate.items.all()]


# ---------------------------------------------------------------- the question again


def _question(slate: Slate) -> Question:
    asked = slate.request
    within = scope_from(asked["within"]) if asked.get("within") else None
    return Question(slate.user_external_id, slate.n, slate.placement, asked.get("repeats"), within)


def _now(slate: Slate, shelf: Shelf | None) -> Computed:
    """By the strategy that would serve it today: the one named then, or whatever is live or in the user's arm."""
    strategy: Strategy | None = None
    if name := slate.request.get("strategy"):
        try:
            strategy = named_strategy(str(name))
        except NotFoundError:
            strategy = None
    return slates.compute(_question(slate), strategy=strategy, shelf=shelf)


def _then(slate: Slate, shelf: Shelf | None) -> Computed:
    """By the strategy version and the rules of then, which reached the user: they were in force for this list."""
    ids = list(recorded(slate).rules)
    rules = list(Rule.objects.filter(pk__in=ids).by_priority())
    for rule in rules:
        rule.audience = {}
    question = replace(_question(slate), at=_as_of(slate))
    return slates.compute(question, strategy=slate.strategy, rules=rules, shelf=shelf)


def _as_of(slate: Slate) -> datetime:
    """The moment that "recently" was measured from: exploring is drawn by it, too."""
    moment = parse_datetime(str(slate.versions.get("as_of") or ""))
    return moment or slate.served_at


def _recorded(computed: Computed, ranked: Iterable[RankedItem]) -> Recorded:
    question, assignment = computed.question, computed.assignment
    rules = {int(str(rule["id"] or 0)): rule for rule in list_rules.in_details(computed.rules)}
    return Recorded(
        user=question.user_external_id,
        n=question.n,
        placement=question.placement,
        request=question.as_json(),
        arm=assignment.arm if assignment else "",
        versions=versions_of(computed.strategy, computed.ranker, computed.state),
        rules=rules,
        explored=frozenset(each.item.pk for each in ranked if each.propensity is not None),
        was_reranked=any(part.source == "language_model" for each in ranked for part in each.parts),
    )


# ---------------------------------------------------------------- causes that only a replay knows


def _since(slate: Slate, computed: Computed, when: When) -> list[Cause]:
    return [*_erased(slate), *(_late(slate) if when == "then" else _events_since(slate, computed))]


def _erased(slate: Slate) -> list[Cause]:
    missing = missing_of(slate, len(slate.items.all()))
    if not missing:
        return []
    words = ngettext(
        "%(n)s item of the slate was deleted for good since.",
        "%(n)s items of the slate were deleted for good since.",
        missing,
    )
    return [Cause("erased", words % {"n": number(missing)})]


def _events_since(slate: Slate, computed: Computed) -> list[Cause]:
    known, user = slate.versions.get("last_event_id"), computed.state.user
    if user is None:
        return []
    since = Event.objects.count_up_to(1_000, user=user, id__gt=known or 0)
    words = ngettext("%(n)s event of the user since.", "%(n)s events of the user since.", since)
    return [Cause("events", words % {"n": number(since)})] if since else []


def _late(slate: Slate) -> list[Cause]:
    """Events that the list could not know although they had happened, and those that the interests did not know."""
    versions, found = slate.versions, []
    last, built = versions.get("last_event_id"), versions.get("interests_event_id")
    if slate.user_id is None:
        return []
    late = Event.objects.count_up_to(1_000, user=slate.user_id, id__gt=last or 0, occurred_at__lte=_as_of(slate))
    if late:
        words = ngettext(
            "%(n)s event that had happened by then arrived only afterwards.",
            "%(n)s events that had happened by then arrived only afterwards.",
            late,
        )
        found.append(Cause("late", words % {"n": number(late)}))
    if last and (built or 0) < last:
        behind = Event.objects.count_up_to(1_000, user=slate.user_id, id__gt=built or 0, id__lte=last)
        words = ngettext(
            "The interests were %(n)s event behind when the list was served.",
            "The interests were %(n)s events behind when the list was served.",
            behind,
        )
        found.append(Cause("behind", words % {"n": number(behind)}))
    return found


def _labels(slate: Slate, changed: Difference) -> list[Cause]:
    ids = [each.item_id for each in changed.changes]
    labels = ItemLabel.objects.filter(item_id__in=ids).changed_since(slate.served_at)
    relabelled = labels.order_by().values("item_id").distinct().count() if ids else 0
    words = ngettext(
        "%(n)s of these items was given or lost labels since.",
        "%(n)s of these items were given or lost labels since.",
        relabelled,
    )
    return [Cause("labels", words % {"n": number(relabelled)})] if relabelled else []


def _reason(change: Change, computed: Computed, item: Item | None) -> str:
    """Why the list made again lacks an item."""
    if change.state != "lost":
        return ""
    if item is None:
        return gettext("deleted for good")
    if item.is_hidden:
        return gettext("hidden by staff")
    if not item.is_in_stock:
        return gettext("sold out")
    if item.pk in computed.state.excluded:
        return gettext("bought or hidden by the user")
    row = next((row for row, item_id in enumerate(computed.pool.ids.tolist()) if item_id == item.pk), None)
    if row is None:
        return gettext("no source proposes it")
    if not computed.ruling.allowed[row]:
        return gettext("left out by a rule or the filter")
    return gettext("others score higher or hold its place")


# ---------------------------------------------------------------- rows


def _sums(parts: Iterable[Mapping[str, object]]) -> dict[str, float]:
    return {str(part.get("source", "")): float(str(part.get("contribution", 0.0))) for part in parts}


def _entry(each: RankedItem) -> Entry:
    return Entry(each.item.pk, each.position, each.score, {part.source: part.contribution for part in each.parts})


def _items(changed: Difference) -> dict[int, Item]:
    ids = [each.item_id for each in changed.changes]
    return Item.objects.for_tiles().defer("search_vector", "description").in_bulk(ids) if ids else {}
