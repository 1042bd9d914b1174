"""recommend(): from a user's id to the list they are shown. Read this function first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Prefetch, prefetch_related_objects

from catalog.models import Item, ItemEmbedding, ItemLabel
from recommender import candidates, explanations, picking
from recommender.algorithms import fusion
from recommender.candidates import Pool, UserState
from recommender.explanations import ScorePart
from recommender.list_reranking import rerank_list
from recommender.models import EndUser, ItemStatistics, Slate, SlateItem, Strategy
from recommender.reranking import RerankSettings
from recommender.shelves import DatabaseShelf
from recommender.strategies import Ranker, Recipe, live_strategy, ranker_of
from recommender.users import checked_id
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

MAX_N = 100
NOTHING_SPEAKS = "No event of this user speaks for an item yet"

__all__ = ["MAX_N", "RankedItem", "Recipe", "RecommendedList", "ScorePart", "recommend"]


@dataclass(frozen=True)
class RankedItem:
    """position counts from 1; the contributions of `parts` add up to `score`; sentences say why, strongest first.

    propensity: of an item shown to explore, the probability with which it was drawn.
    """

    position: int
    item: Item
    score: float
    parts: tuple[ScorePart, ...]
    sentences: tuple[str, ...]
    propensity: float | None = None


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


def recommend(
    user_external_id: str,
    *,
    n: int = 12,
    strategy: Strategy | None = None,
    repeats: str | None = None,
    record: bool = True,
) -> RecommendedList:
    """The next n items for this user, best first; the live strategy decides where none is named.

    `repeats` ("allow" or "exclude") overrides the recipe's. `record=False` leaves no slate behind, for previews.
    Raises InvalidInputError where n is not within 1..100 or the id is empty or too long.
    """
    started = time.perf_counter()
    if not 1 <= n <= MAX_N:
        raise InvalidInputError(f"n is {n}; ask for 1 to {MAX_N} items.")
    user_external_id = checked_id(user_external_id)
    strategy = strategy or live_strategy()
    ranker = ranker_of(strategy)
    if repeats is not None:
        ranker = ranker.with_repeats(repeats)

    shelf = DatabaseShelf()
    state = candidates.user_state(user_external_id, ranker.recipe)
    pool = candidates.gather(state, ranker, shelf, n=n)
    fused = fusion.fuse(pool.raw, ranker.weights(state.past.length), ranker.spreads)
    picked = picking.pick(pool, fused, state, ranker.recipe, n=n, draw=picking.drawn(user_external_id, state))
    asked = _ask_model(pool, picked, fused, state, ranker.recipe)
    ranked = _rank(pool, picked, asked, fused, state)

    took_ms = (time.perf_counter() - started) * 1000
    slate = (
        _record_if_still_there(user_external_id, n, strategy, ranker, state, ranked, asked.details, took_ms)
        if record
        else None
    )
    log.info(
        "recommended", user=state.user.pk if state.user else None, n=n, items=len(ranked), took_ms=round(took_ms, 1)
    )
    return RecommendedList(
        user_external_id=user_external_id,
        user=state.user,
        is_known_user=state.user is not None,
        notice=_notice(state, n=n, found=len(ranked)),
        strategy=strategy,
        slate_id=slate.public_id if slate else None,
        n=n,
        took_ms=took_ms,
        items=ranked,
    )


@dataclass(frozen=True)
class _Asked:
    """Rows of the pool as the language model would have them; what it adds to a row's score, and its share of one."""

    places: Sequence[int]
    added: Mapping[int, ScorePart] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)


def _ask_model(pool: Pool, picked: picking.Picked, fused: fusion.Fused, state: UserState, recipe: Recipe) -> _Asked:
    """The list as it is where the recipe does not ask or no answer comes in time. What explores stays last."""
    if not recipe.rerank:
        return _Asked(picked.places)
    judged = [place for place in picked.places if place not in picked.propensities]
    explored = [place for place in picked.places if place in picked.propensities]
    prior = fused.scores[judged]
    settings = RerankSettings(blend=recipe.rerank)
    answer = rerank_list(state.user, [pool.titles[place] for place in judged], prior, settings=settings)
    added = {}
    for row, share in enumerate(answer.shares):
        moved = float(answer.scores[row] - prior[row])
        added[judged[row]] = explanations.said_by_model(moved, share=share, weight=recipe.rerank)
    places = [*(judged[row] for row in answer.order), *explored]
    return _Asked(places, added, {"rerank": answer.details(settings)})


def _rank(
    pool: Pool, picked: picking.Picked, asked: _Asked, fused: fusion.Fused, state: UserState
) -> tuple[RankedItem, ...]:
    """Reads the items picked. One that vanished or was hidden in the meantime is left out."""
    items = Item.objects.recommendable().defer("description", "attributes", "search_vector")
    by_id = items.in_bulk([int(pool.ids[place]) for place in asked.places])
    places = [place for place in asked.places if int(pool.ids[place]) in by_id]
    labels = ItemLabel.objects.effective().select_related("label", "final_label", "taxonomy")
    labels = labels.order_by("taxonomy_id", "rank", "id")
    prefetch_related_objects(list(by_id.values()), Prefetch("labels", queryset=labels, to_attr="effective_labels"))
    ranked = []
    for position, (place, parts) in enumerate(
        zip(places, explanations.explain(pool, places, fused, state), strict=True), start=1
    ):
        if place in asked.added:
            parts = (*parts, asked.added[place])
        score = sum(part.contribution for part in parts)
        item = by_id[int(pool.ids[place])]
        propensity = picked.propensities.get(place)
        ranked.append(RankedItem(position, item, score, parts, explanations.sentences(parts), propensity))
    return tuple(ranked)


def _record_if_still_there(
    user_external_id: str,
    n: int,
    strategy: Strategy,
    ranker: Ranker,
    state: UserState,
    ranked: Sequence[RankedItem],
    details: dict[str, object],
    took_ms: float,
) -> Slate | None:
    """None where the user was erased, or an item deleted, while the list was made: nothing is kept of them."""
    try:
        return _record(user_external_id, n, strategy, ranker, state, ranked, details, took_ms)
    except IntegrityError:
        log.warning("slate_not_kept", user=state.user.pk if state.user else None)
        return None


@transaction.atomic
def _record(
    user_external_id: str,
    n: int,
    strategy: Strategy,
    ranker: Ranker,
    state: UserState,
    ranked: Sequence[RankedItem],
    details: dict[str, object],
    took_ms: float,
) -> Slate:
    slate = Slate.objects.create(
        user=state.user,
        user_external_id=user_external_id,
        is_known_user=state.user is not None,
        n=n,
        strategy=strategy,
        versions=_versions(strategy, ranker, state),
        details=details,
        took_ms=took_ms,
    )
    SlateItem.objects.bulk_create(
        SlateItem(
            slate=slate,
            position=each.position,
            item=each.item,
            score=each.score,
            propensity=each.propensity,
            parts=[part.as_json() for part in each.parts],
        )
        for each in ranked
    )
    return slate


def _versions(strategy: Strategy, ranker: Ranker, state: UserState) -> dict[str, object]:
    """What the scores came from, so that an audit can tell which of it has changed since."""
    model = ItemEmbedding.objects.order_by("item_id").values_list("model", flat=True).first()
    built_at = ItemStatistics.objects.order_by("item_id").values_list("built_at", flat=True).first()
    user = state.user
    return {
        "strategy": str(strategy),
        "fit": ranker.fit_id,
        "sources": ranker.digests(),
        "embedding_model": model,
        "statistics_built_at": built_at.isoformat() if built_at else None,
        "interests_built_at": user.interests_built_at.isoformat() if user and user.interests_built_at else None,
        "interests_event_id": user.interests_event_id if user else None,
        "last_event_id": user.last_event_id if user else None,
    }


def _notice(state: UserState, *, n: int, found: int) -> str:
    """What a reader should know before trusting the list; '' where there is nothing."""
    notices = []
    if state.user is None:
        notices.append("Nobody knows this user yet: popular and new items, spread over the labels.")
    elif not state.has_history:
        lacking = "This user has no events yet" if state.user.last_event_id is None else NOTHING_SPEAKS
        notices.append(f"{lacking}: popular and new items, spread over the labels.")
    elif state.events_behind:
        events = "1 event" if state.events_behind == 1 else f"{state.events_behind:,} events"
        notices.append(f"The interests are {events} behind; a rebuild is on its way.")
    if found < n:
        notices.append(f"Only {found} of the {n} asked for: no more items may be shown to this user.")
    return " ".join(notices)
