"""Why an item is not on a user's list: the first step that dropped it, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from django.utils.translation import gettext, gettext_lazy

from catalog.models import Item, ItemEmbedding
from recommender import explanations, slates
from recommender import rules as list_rules
from recommender import why_not_words as words
from recommender.explanations import ScorePart
from recommender.models import Event, Rule, Strategy
from recommender.remembering_shelf import RememberingShelf
from recommender.scopes import ItemFacts, Scope, holds
from recommender.shelves import DatabaseShelf
from recommender.slates import Computed, Question
from recommender.why_not_places import Candidate, Obstacle, obstacle_of, smallest_boost
from recommender.why_not_sources import SourceRank, source_ranks
from recommender.why_not_words import Remedy
from recsite.operations.errors import NotFoundError

STEPS = {
    "exists": gettext_lazy("In the catalog"),
    "shown": gettext_lazy("Not hidden"),
    "stock": gettext_lazy("In stock"),
    "embedded": gettext_lazy("Embedded"),
    "free": gettext_lazy("Free for this user"),
    "filter": gettext_lazy("Within the filter"),
    "candidate": gettext_lazy("Proposed by a source"),
    "rules": gettext_lazy("Left in by the rules"),
    "score": gettext_lazy("Scores high enough"),
    "place": gettext_lazy("Gets a place"),
}
TRIES = 10


@dataclass(frozen=True)
class Dropped:
    """The step that dropped the item, one sentence of cause, and what would have to change."""

    step: str
    cause: str
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class ComparedPart:
    """What a source adds to the item's score and to that of the last one on the list."""

    source: str
    own: float
    last: float

    @property
    def difference(self) -> float:
        return self.last - self.own


@dataclass(frozen=True)
class Score:
    """The item's score beside that of the last one on the list, which is None where the list is empty."""

    own: float
    parts: tuple[ScorePart, ...]
    last: Item | None = None
    last_score: float | None = None
    last_parts: tuple[ScorePart, ...] = ()

    @property
    def behind(self) -> float | None:
        """By how much the last one scores more."""
        return None if self.last_score is None else self.last_score - self.own

    @property
    def compared(self) -> tuple[ComparedPart, ...]:
        """What speaks most for the last one first."""
        own, last = ({part.source: part.contribution for part in parts} for parts in (self.parts, self.last_parts))
        both = [ComparedPart(name, own.get(name, 0.0), last.get(name, 0.0)) for name in {**own, **last}]
        return tuple(sorted(both, key=lambda part: (-part.difference, part.source)))


@dataclass(frozen=True)
class Step:
    key: str
    title: str
    state: str
    """passed, failed or open: not looked at, or of no matter any more."""


@dataclass(frozen=True)
class WhyNot:
    """`dropped` is None where the item is on the list, at `position`; score None where it was not looked at.

    as_if: it was no candidate, and is scored as if it had been. holders: items that hold its place.
    """

    question: Question
    item: Item
    strategy: Strategy
    position: int | None
    dropped: Dropped | None
    also_dropped: Dropped | None = None
    score: Score | None = None
    sources: tuple[SourceRank, ...] = ()
    as_if: bool = False
    holders: tuple[Item, ...] = field(default=())

    @property
    def cause(self) -> str:
        if self.dropped is not None:
            return self.dropped.cause
        return gettext("It is on the list, at place %(place)s.") % {"place": self.position}

    @property
    def holder_ids(self) -> list[str]:
        return [item.external_id for item in self.holders]

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        found = [dropped.remedies for dropped in (self.dropped, self.also_dropped) if dropped is not None]
        return tuple(dict.fromkeys(remedy for remedies in found for remedy in remedies))

    @property
    def steps(self) -> tuple[Step, ...]:
        failed = {dropped.step for dropped in (self.dropped, self.also_dropped) if dropped is not None}
        keys = list(STEPS)
        last = max((keys.index(key) for key in failed), default=len(keys))
        states = ["failed" if key in failed else "passed" if at < last else "open" for at, key in enumerate(keys)]
        return tuple(Step(key, str(STEPS[key]), state) for key, state in zip(keys, states, strict=True))


def find_item(external_id: str) -> Item:
    """Raises NotFoundError, which is the first step."""
    found = Item.objects.filter(external_id=external_id.replace("\x00", "")).defer("search_vector").first()
    if found is None:
        raise NotFoundError(
            gettext("There is no item “%(item)s” in the catalog; send it first.") % {"item": external_id}
        )
    return found


def why_not(question: Question, item: Item, *, strategy: Strategy | None = None) -> WhyNot:
    """Nothing is stored. A list is made for it, up to three more for an item that is not on it."""
    computed = slates.compute(question, strategy=strategy, shelf=RememberingShelf())
    candidate = Candidate.of(computed, item.pk)
    if candidate is not None and candidate.position is not None:
        score = _score_of(candidate)
        return WhyNot(question, item, computed.strategy, candidate.position, None, score=score)
    facts = _facts_of(item)
    early = _not_to_be_shown(item) or _not_free(computed, item) or _outside_filter(computed, facts)
    if early is not None:
        return WhyNot(question, item, computed.strategy, None, early)

    ranks = source_ranks(computed, item.pk)
    dropped, as_if = None, candidate is None
    if candidate is None:
        dropped = Dropped("candidate", words.no_source(ranks))
        among = [*computed.pool.ids.tolist(), item.pk]
        with_it = slates.compute(question, strategy=computed.strategy, only=among, shelf=computed.shelf)
        candidate = Candidate.of(with_it, item.pk)
        if candidate is None:  # deleted meanwhile
            raise NotFoundError(gettext("The item has just been deleted."))
    found = WhyNot(question, item, computed.strategy, None, dropped, sources=ranks, as_if=as_if)
    excluded = _excluded(computed, facts)
    late, holders = (excluded, ()) if excluded is not None else _no_place(candidate)
    if excluded is None:
        raised = _boosted(computed, candidate, item)
        if late is not None:
            late = replace(late, remedies=(*late.remedies, *raised))
        elif dropped is not None:
            dropped = replace(dropped, remedies=raised)
    return replace(
        found,
        dropped=dropped or late,
        also_dropped=late if dropped is not None else None,
        score=_score_of(candidate),
        holders=tuple(_items(candidate.computed, holders)),
    )


# ---------------------------------------------------------------- the steps, in order


def _not_to_be_shown(item: Item) -> Dropped | None:
    if item.is_hidden:
        return Dropped("shown", gettext("Staff hid it: a hidden item is in no list."), (words.show_again(item),))
    if not item.is_in_stock:
        cause = gettext("It is sold out: only items in stock are recommended.")
        return Dropped("stock", cause, (Remedy(gettext("In stock again."), words.item_address(item)),))
    if not ItemEmbedding.objects.filter(pk=item.pk).exists():
        cause = gettext("It is not embedded yet, so nothing can be said of it.")
        return Dropped("embedded", cause, (Remedy(gettext("Wait a minute; the models worker embeds new items.")),))
    return None


def _not_free(computed: Computed, item: Item) -> Dropped | None:
    state, recipe = computed.state, computed.ranker.recipe
    if state.user is None or item.pk not in state.excluded:
        return None
    window_days = recipe.repeat_window_days if recipe.repeats == "exclude" else 0
    events = Event.objects.all()
    if computed.question.at is not None:
        events = events.up_to(computed.question.at)
    settling = events.settling(state.user.pk, item.text_hash, as_of=state.as_of, window_days=window_days)
    if not settling:  # taken back between the two queries
        return None
    cause, remedies = words.not_free(settling, item, window_days=window_days, as_of=state.as_of)
    return Dropped("free", cause, remedies)


def _outside_filter(computed: Computed, facts: ItemFacts) -> Dropped | None:
    within, branches = computed.question.within, computed.rules.branches()
    if within is None or holds(within, facts, branches):
        return None
    parts = ("items", "labels", "brands"), ("price_from", "price_to"), ("stock_from", "stock_to")
    groups = [[name] for name in parts[0]] + [list(pair) for pair in parts[1:]]
    scopes = [(names[0], Scope(**{name: getattr(within, name) for name in names})) for names in groups]
    outside = [name for name, scope in scopes if not holds(scope, facts, branches)]
    cause = words.outside(outside, within, facts)
    return Dropped("filter", cause, (Remedy(gettext("Ask without that part of the filter.")),))


def _excluded(computed: Computed, facts: ItemFacts) -> Dropped | None:
    for each in computed.rules.rules:
        if each.rule.action == Rule.Action.EXCLUDE and holds(each.scope, facts, computed.rules.branches()):
            cause = gettext("The rule “%(rule)s” leaves it out.") % {"rule": each.rule.name}
            return Dropped("rules", cause, (words.change_rule(each.rule),))
    return None


def _no_place(candidate: Candidate) -> tuple[Dropped | None, Sequence[int]]:
    """None where it would have a place: then to be no candidate was all."""
    if candidate.position is not None:
        return None, ()
    obstacle: Obstacle = obstacle_of(candidate)
    step = "score" if obstacle.kind in ("outscored", "buried") else "place"
    score = _score_of(candidate) if obstacle.kind == "outscored" else None
    titles = [candidate.computed.pool.titles[row] for row in obstacle.holders]
    cause = words.outscored(score.behind, score.compared, score.last) if score else words.obstacle(obstacle, titles)
    return Dropped(step, cause, words.remedies_of(obstacle, candidate.computed.strategy)), obstacle.holders


def _boosted(computed: Computed, candidate: Candidate, item: Item) -> tuple[Remedy, ...]:
    """The smallest boost, tried by making the list again with such a rule."""
    strength = smallest_boost(candidate)
    rules = [each.rule for each in computed.rules.rules]
    for more in range(TRIES if strength is not None else 0):
        tried = round((strength or 0.0) + more / 10, 1)
        boost = Rule(
            name="why not", action=Rule.Action.BOOST, scope={"items": [item.external_id]}, strength=tried, version=1
        )
        rules_then = [*rules, boost]
        again = slates.compute(computed.question, strategy=computed.strategy, rules=rules_then, shelf=computed.shelf)
        there = Candidate.of(again, item.pk)
        if there is not None and there.position is not None:
            return (words.boost(item, tried, there.position),)
    return (words.no_boost(item),)


# ---------------------------------------------------------------- what is known of the item


def _facts_of(item: Item) -> ItemFacts:
    labels = frozenset(label.label_id for label in DatabaseShelf().labels([item.pk]).get(item.pk, ()))
    return ItemFacts(item.external_id, item.brand, item.price, item.stock_quantity, labels)


def _score_of(candidate: Candidate) -> Score:
    computed, last = candidate.computed, candidate.last()
    rows = [candidate.place] if last is None else [candidate.place, last]
    explained = explanations.explain(computed.pool, rows, computed.fused, computed.state)
    parts = [(*own, *_moved(computed, row)) for row, own in zip(rows, explained, strict=True)]
    sums = [sum(part.contribution for part in own) for own in parts]
    if last is None:
        return Score(sums[0], parts[0])
    items = _items(computed, [last])
    return Score(sums[0], parts[0], items[0] if items else None, sums[1], parts[1])


def _moved(computed: Computed, row: int) -> tuple[ScorePart, ...]:
    touched = list_rules.touching(computed.rules, computed.ruling, row, None)
    return (explanations.moved_by_rules(touched, spread=computed.ruling.spread),) if touched else ()


def _items(computed: Computed, rows: Sequence[int]) -> list[Item]:
    ids = computed.pool.ids[np.array(rows, dtype=int)].tolist() if rows else []
    found = Item.objects.for_tiles().defer("search_vector", "description").in_bulk(ids) if ids else {}
    return [found[item_id] for item_id in ids if item_id in found]
