"""recommend(): from a user's id to the list they are shown. Read this function first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from catalog.models import Item, ItemLabel
from recommender import candidates, explanations, picking
from recommender import rules as list_rules
from recommender.algorithms import fusion
from recommender.algorithms.rules import Ruling
from recommender.candidates import Pool, UserState
from recommender.experiments import Assignment, assigned
from recommender.explanations import ScorePart
from recommender.list_reranking import rerank_list
from recommender.models import EndUser, Rule, Slate, SlateItem, Strategy
from recommender.reranking import RerankSettings
from recommender.rules import Branches, RulesInForce
from recommender.scopes import Scope
from recommender.shelves import DatabaseShelf, Shelf
from recommender.slate_versions import versions_of
from recommender.strategies import Ranker, Recipe, live_strategy, ranker_of
from recommender.users import checked_id
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

MAX_N = 100

__all__ = ["MAX_N", "Question", "RankedItem", "Recipe", "RecommendedList", "ScorePart", "compute", "recommend"]


@dataclass(frozen=True)
class Question:
    """What a list is asked for.

    placement: of the page, as rules and experiments name it. repeats: "allow" or "exclude" instead of the recipe's.
    within: only items for which this holds. at: a moment of the past, None for now.
    """

    user_external_id: str
    n: int = 12
    placement: str = ""
    repeats: str | None = None
    within: Scope | None = None
    at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """What a slate has no column for."""
        asked: dict[str, object] = {"repeats": self.repeats} if self.repeats else {}
        if self.within is not None and not self.within.is_everything:
            asked["within"] = self.within.as_json()
        return asked


@dataclass(frozen=True)
class RankedItem:
    """position counts from 1; the contributions of `parts` add up to `score`; sentences say why, strongest first.

    propensity: of an item shown to explore, the probability with which it was drawn. rules: that touched it, as a slate
    keeps them.
    """

    position: int
    item: Item
    score: float
    parts: tuple[ScorePart, ...]
    sentences: tuple[str, ...]
    propensity: float | None = None
    rules: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class RecommendedList:
    user_external_id: str
    user: EndUser | None
    is_known_user: bool
    notice: str
    strategy: Strategy
    slate_id: UUID | None
    n: int
    took_ms: float
    items: tuple[RankedItem, ...]
    assignment: Assignment | None = None


@dataclass(frozen=True)
class Computed:
    """How a list came about, from the user's state to the rows picked; `question` is what it answers, `shelf` where the
    items were looked up."""

    question: Question
    shelf: Shelf
    strategy: Strategy
    ranker: Ranker
    assignment: Assignment | None
    state: UserState
    rules: RulesInForce
    pool: Pool
    fused: fusion.Fused
    ruling: Ruling
    picked: picking.Picked


@dataclass(frozen=True)
class Supposition:
    """What a list is computed from instead of what is stored: another shelf, another state of the user, other branches
    of labels, and candidates that it brings along."""

    shelf: Shelf
    state: Callable[[UserState], UserState]
    branches: Branches
    brought: Callable[[RulesInForce], Sequence[int]]


def recommend(
    user_external_id: str,
    *,
    n: int = 12,
    strategy: Strategy | None = None,
    repeats: str | None = None,
    placement: str = "",
    within: Scope | None = None,
    at: datetime | None = None,
    rules: Sequence[Rule] | None = None,
    shelf: Shelf | None = None,
    record: bool = True,
) -> RecommendedList:
    """The next n items for this user, best first.

    strategy: where none is named, the one of the experiment that the user takes part in, or else the live one.
    rules: instead of those in force. shelf: one that remembers, for several lists of one user. `record=False` leaves no
    slate behind, for previews; only those may ask for drafts, other rules or the past. See Question for the rest.
    Raises InvalidInputError where n is not within 1..100, the id is empty or too long, or a preview is to be recorded.
    """
    started = time.perf_counter()
    question = Question(checked_id(user_external_id), n, placement, repeats, within, at)
    if record and (at is not None or rules is not None or (strategy is not None and strategy.is_draft)):
        raise InvalidInputError("Lists of drafts, of other rules or of the past are previews; ask with record=False.")
    computed = compute(question, strategy=strategy, rules=rules, shelf=shelf)
    named = {"strategy": strategy.name} if strategy is not None else {}
    asked = _ask_model(computed)
    ranked = _rank(computed, asked)

    took_ms = (time.perf_counter() - started) * 1000
    slate = _record_if_still_there(computed, ranked, named, asked.details, took_ms) if record else None
    user = computed.state.user
    log.info("recommended", user=user.pk if user else None, n=n, items=len(ranked), took_ms=round(took_ms, 1))
    return RecommendedList(
        user_external_id=question.user_external_id,
        user=user,
        is_known_user=user is not None,
        notice=_notice(computed.state, n=n, found=len(ranked)),
        strategy=computed.strategy,
        slate_id=slate.public_id if slate else None,
        n=n,
        took_ms=took_ms,
        items=ranked,
        assignment=computed.assignment,
    )


def compute(
    question: Question,
    *,
    strategy: Strategy | None = None,
    rules: Sequence[Rule] | None = None,
    only: Sequence[int] | None = None,
    shelf: Shelf | None = None,
    supposing: Supposition | None = None,
) -> Computed:
    """All of a list but its words; for those who ask what would have been, or would be. only: candidates chosen by
    somebody else."""
    if not 1 <= question.n <= MAX_N:
        raise InvalidInputError(gettext("n is %(n)s; ask for 1 to %(most)s items.") % {"n": question.n, "most": MAX_N})
    user_external_id = question.user_external_id
    assignment = assigned(user_external_id, question.placement) if question.at is None else None
    if strategy is None:
        strategy = (assignment.strategy if assignment else None) or live_strategy()
    ranker = ranker_of(strategy)
    if question.repeats is not None:
        ranker = ranker.with_repeats(question.repeats)

    shelf = supposing.shelf if supposing else shelf or DatabaseShelf()
    state = candidates.user_state(user_external_id, ranker.recipe, at=question.at)
    state = supposing.state(state) if supposing else state
    if rules is None:
        rules = list(Rule.objects.in_force(question.at or timezone.now(), question.placement))
    in_force = list_rules.for_user(
        list_rules.read(rules, also=question.within, branches=supposing.branches if supposing else None),
        user_external_id,
        state,
        arm=assignment.address if assignment else "",
    )
    also = list_rules.brought(in_force, filtered=question.within, k=ranker.recipe.candidates_per_source)
    also = [*also, *supposing.brought(in_force)] if supposing else also
    pool = candidates.gather(state, ranker, shelf, n=question.n, only=only, also=also)
    fused = fusion.fuse(pool.raw, ranker.weights(state.past.length), ranker.spreads, pool.by_trees)
    ruling = list_rules.decide(in_force, pool, fused.scores, filtered=question.within)
    picked = picking.pick(
        pool,
        fused,
        state,
        ranker.recipe,
        n=question.n,
        draw=picking.drawn(user_external_id, state),
        ruling=ruling,
    )
    return Computed(question, shelf, strategy, ranker, assignment, state, in_force, pool, fused, ruling, picked)


def ranked_items(computed: Computed) -> tuple[RankedItem, ...]:
    """The list that was computed, with its words, as `recommend` gives it."""
    return _rank(computed, _ask_model(computed))


@dataclass(frozen=True)
class _Asked:
    """Rows of the pool as the language model would have them; what it adds to a row's score, and its share of one."""

    places: Sequence[int]
    added: Mapping[int, ScorePart] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)


def _ask_model(computed: Computed) -> _Asked:
    """The list as it is where the recipe does not ask or no answer comes in time. What explores stays last, and what
    is pinned where it was put."""
    picked, recipe = computed.picked, computed.ranker.recipe
    if not recipe.rerank:
        return _Asked(picked.places)
    free = [place for place in picked.places if place not in picked.pinned]
    judged = [place for place in free if place not in picked.propensities]
    explored = [place for place in free if place in picked.propensities]
    prior = computed.ruling.scores(computed.fused.scores)[judged]
    settings = RerankSettings(blend=recipe.rerank)
    titles = [computed.pool.titles[place] for place in judged]
    answer = rerank_list(computed.state.user, titles, prior, settings=settings)
    added = {}
    for row, share in enumerate(answer.shares):
        moved = float(answer.scores[row] - prior[row])
        added[judged[row]] = explanations.said_by_model(moved, share=share, weight=recipe.rerank)
    places = picked.in_order([*(judged[row] for row in answer.order), *explored])
    return _Asked(places, added, {"rerank": answer.details(settings)})


def _rank(computed: Computed, asked: _Asked) -> tuple[RankedItem, ...]:
    """Reads the items picked. One that vanished or was hidden in the meantime is left out."""
    pool, picked = computed.pool, computed.picked
    items = Item.objects.recommendable().defer("description", "attributes", "search_vector")
    by_id = items.in_bulk([int(pool.ids[place]) for place in asked.places])
    places = [place for place in asked.places if int(pool.ids[place]) in by_id]
    labels = ItemLabel.objects.effective().select_related("label", "final_label", "taxonomy")
    labels = labels.order_by("taxonomy_id", "rank", "id")
    prefetch_related_objects(list(by_id.values()), Prefetch("labels", queryset=labels, to_attr="effective_labels"))
    explained = explanations.explain(pool, places, computed.fused, computed.state)
    ranked = []
    for position, (place, parts) in enumerate(zip(places, explained, strict=True), start=1):
        touched = list_rules.touching(computed.rules, computed.ruling, place, picked.pinned.get(place))
        if any("added" in rule for rule in touched):
            parts = (*parts, explanations.moved_by_rules(touched, spread=computed.ruling.spread))
        if place in asked.added:
            parts = (*parts, asked.added[place])
        ranked.append(
            RankedItem(
                position=position,
                item=by_id[int(pool.ids[place])],
                score=sum(part.contribution for part in parts),
                parts=parts,
                sentences=(*explanations.pinned_by(touched), *explanations.sentences(parts)),
                propensity=picked.propensities.get(place),
                rules=tuple(touched),
            )
        )
    return tuple(ranked)


def _record_if_still_there(
    computed: Computed,
    ranked: Sequence[RankedItem],
    named: Mapping[str, object],
    details: Mapping[str, object],
    took_ms: float,
) -> Slate | None:
    """None where the user was erased, or an item deleted, while the list was made: nothing is kept of them."""
    try:
        return _record(computed, ranked, named, details, took_ms)
    except IntegrityError:
        log.warning("slate_not_kept", user=computed.state.user.pk if computed.state.user else None)
        return None


@transaction.atomic
def _record(
    computed: Computed,
    ranked: Sequence[RankedItem],
    named: Mapping[str, object],
    details: Mapping[str, object],
    took_ms: float,
) -> Slate:
    """named: the strategy, where the client asked for one by name; such a list is none of an experiment's."""
    question, counted = computed.question, None if named else computed.assignment
    slate = Slate.objects.create(
        user=computed.state.user,
        user_external_id=question.user_external_id,
        is_known_user=computed.state.user is not None,
        n=question.n,
        strategy=computed.strategy,
        placement=question.placement,
        experiment=counted.experiment if counted else None,
        arm=counted.arm if counted else "",
        request={**question.as_json(), **named},
        versions=versions_of(computed.strategy, computed.ranker, computed.state),
        details={**details, "rules": list_rules.in_details(computed.rules), "items": len(ranked)},
        took_ms=took_ms,
    )
    SlateItem.objects.bulk_create(
        SlateItem(
            slate=slate,
            position=each.position,
            item=each.item,
            score=each.score,
            propensity=each.propensity,
            rules=list(each.rules),
            parts=[part.as_json() for part in each.parts],
        )
        for each in ranked
    )
    return slate


def _notice(state: UserState, *, n: int, found: int) -> str:
    """What a reader should know before trusting the list; '' where there is nothing."""
    notices = []
    if state.user is None:
        notices.append(gettext("Nobody knows this user yet: popular and new items, spread over the labels."))
    elif not state.has_history and state.user.last_event_id is None:
        notices.append(gettext("This user has no events yet: popular and new items, spread over the labels."))
    elif not state.has_history:
        notices.append(
            gettext("No event of this user speaks for an item yet: popular and new items, spread over the labels.")
        )
    elif n_behind := state.events_behind:
        behind = ngettext(
            "The interests are %(n)s event behind; a rebuild is on its way.",
            "The interests are %(n)s events behind; a rebuild is on its way.",
            n_behind,
        )
        notices.append(behind % {"n": f"{n_behind:,}"})
    if found < n:
        few = gettext("Only %(found)s of the %(n)s asked for: no more items may be shown to this user.")
        notices.append(few % {"found": found, "n": n})
    return " ".join(notices)
