"""Where an item stands in each source for one user, beside how many the source proposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from django.utils.translation import gettext

from catalog.models import ItemEmbedding
from recommender.algorithms import sources
from recommender.candidates import LABELS_ASKED, RECENT_ASKED, REPEATED_STEPS, UserState
from recommender.models import InterestLabel, InterestVector, ItemStatistics
from recommender.slates import Computed
from recsite.operations.templatetags.console import number

MOST_NEW = 500


@dataclass(frozen=True)
class SourceRank:
    """An item in one source. rank counts from 1, None where the source does not know it; of: how many it knows;
    taken: how many it proposes."""

    source: str
    state: Literal["ranked", "unknown", "unused", "only scores"]
    rank: int | None = None
    of: int = 0
    taken: int = 0

    @property
    def is_taken(self) -> bool:
        return self.rank is not None and self.rank <= self.taken

    @property
    def words(self) -> str:
        if self.state == "unused":
            return gettext("Not used by this strategy.")
        if self.state == "only scores":
            return gettext("Proposes nothing; it scores what others propose.")
        if self.rank is None:
            return gettext("Does not know it for this user.")
        figures = {"rank": number(self.rank), "of": number(self.of), "taken": number(self.taken)}
        return gettext("Place %(rank)s of %(of)s; the first %(taken)s are taken.") % figures


def source_ranks(computed: Computed, item_id: int) -> tuple[SourceRank, ...]:
    """One entry a source. A query a source at most; those about vectors compare every item."""
    recipe, state, shelf = computed.ranker.recipe, computed.state, computed.shelf
    k, n, without = recipe.candidates_per_source, computed.question.n, state.excluded
    found: dict[str, SourceRank] = {}

    def ranked(source: str, place: tuple[int, int] | None, taken: int) -> None:
        rank, of = place or (None, 0)
        found[source] = SourceRank(source, "ranked" if place else "unknown", rank, of, taken)

    for source in sources.VOTING:
        if recipe.uses(source) and source not in sources.ONLY_SCORES:
            votes = shelf.votes(source, state.recent_items(recipe.memory_steps[source]), without)
            ranked(source, _among(votes, item_id), k)
    if recipe.uses("interest"):
        vectors = [_plain(interest) for interest in state.interests]
        place = InterestVector.objects.closeness_rank(vectors, item_id, without=without)
        ranked("interest", place, max(10, k // (len(vectors) or 1)))
    if recipe.uses("similar"):
        newest = _newest(state, recipe.memory_steps["similar"])
        _, rows = ItemEmbedding.objects.filter(pk__in=newest).matrix()
        known = () if item_id in newest else rows.tolist()
        place = InterestVector.objects.closeness_rank(known, item_id, without=[*without, *newest])
        ranked("similar", place, max(10, k // (len(newest) or 1)))
    if recipe.uses("label_affinity"):
        labels = [interest.label_id for interest in state.interest_labels[:LABELS_ASKED]]
        place = InterestLabel.objects.label_rank(labels, item_id, without=without) if labels else None
        ranked("label_affinity", place, max(5, k // (len(labels) or 1)))
    if recipe.uses("repeat"):
        ranked("repeat", _among(state.recent_items(REPEATED_STEPS), item_id), k)
    if recipe.uses("new") and recipe.new_below_users:
        fresh = shelf.new(state.interests, MOST_NEW, below_users=recipe.new_below_users, without=without)
        ranked("new", (fresh.index(item_id) + 1, len(fresh)) if item_id in fresh else None, k // 3 or 1)
    if recipe.uses("trending"):
        ranked("trending", ItemStatistics.objects.rank_of("trend", item_id, without=without), k // 3 or 1)
    # Popular fills up, whatever its weight.
    ranked("popular", ItemStatistics.objects.rank_of("popularity", item_id, without=without), max(k, n))
    return tuple(found.get(source) or _silent(source, recipe.uses(source)) for source in sources.SOURCES)


def _silent(source: str, is_used: bool) -> SourceRank:
    return SourceRank(source, "only scores" if is_used and source in sources.ONLY_SCORES else "unused")


def _among(weights: Mapping[int, float], item_id: int) -> tuple[int, int] | None:
    """(place, of how many) among what has a weight above 0, the highest first; ties go to the smaller id."""
    own = weights.get(item_id, 0.0)
    if own <= 0:
        return None
    positive = [(-weight, each) for each, weight in weights.items() if weight > 0]
    return 1 + sum(each < (-own, item_id) for each in positive), len(positive)


def _newest(state: UserState, half_life_steps: float) -> list[int]:
    recents = state.recent_items(half_life_steps)
    return sorted(recents, key=lambda each: (-recents[each], each))[:RECENT_ASKED]


def _plain(interest: InterestVector) -> Sequence[float]:
    vector = interest.vector
    values: list[float] = vector.to_list() if hasattr(vector, "to_list") else np.asarray(vector).tolist()
    return values
