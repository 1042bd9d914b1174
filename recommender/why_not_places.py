"""What keeps a candidate off a list: the list is picked again without each thing that might, and what helps was it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recommender import picking
from recommender.algorithms.diversity import Cap
from recommender.algorithms.rules import Ruling
from recommender.candidates import Pool
from recommender.models import Rule
from recommender.picking import Picked
from recommender.slates import Computed
from recommender.strategies import Recipe

MOST_STRENGTH = 10.0
TENTHS = 10
Kind = Literal["outscored", "buried", "title", "label", "rule cap", "caps", "pin", "exploring", "variety", "several"]


@dataclass(frozen=True)
class Candidate:
    """A row of a computed list's candidates, and that list picked again under other circumstances; no query."""

    computed: Computed
    place: int

    @classmethod
    def of(cls, computed: Computed, item_id: int) -> Candidate | None:
        found = np.flatnonzero(computed.pool.ids == item_id)
        return cls(computed, int(found[0])) if len(found) else None

    @property
    def position(self) -> int | None:
        """On the list as it is, from 1."""
        return self.position_in(self.computed.picked)

    def position_in(self, picked: Picked) -> int | None:
        places = list(picked.places)
        return places.index(self.place) + 1 if self.place in places else None

    @property
    def score(self) -> float:
        return float(self.computed.ruling.scores(self.computed.fused.scores)[self.place])

    def again(
        self, *, pool: Pool | None = None, recipe: Recipe | None = None, ruling: Ruling | None = None
    ) -> int | None:
        """Its position where the list is picked with these instead of its own."""
        own = self.computed
        draw = picking.drawn(own.question.user_external_id, own.state)
        picked = picking.pick(
            pool or own.pool,
            own.fused,
            own.state,
            recipe or own.ranker.recipe,
            n=own.question.n,
            draw=draw,
            ruling=ruling or own.ruling,
        )
        return self.position_in(picked)

    def raised_by(self, deviations: float) -> Ruling:
        """The ruling with the candidate boosted by so many standard deviations."""
        ruling = self.computed.ruling
        raised = np.zeros(len(self.computed.pool))
        raised[self.place] = deviations * self._spread()
        return replace(ruling, moved={**ruling.moved, -1: raised})

    def _spread(self) -> float:
        spread = float(self.computed.fused.scores.std())
        return spread if spread > 1e-9 else 1.0

    def last(self) -> int | None:
        """The list's row of the lowest score that neither a pin nor exploring put there."""
        picked = self.computed.picked
        free = [row for row in picked.places if row not in picked.pinned and row not in picked.propensities]
        scores = self.computed.ruling.scores(self.computed.fused.scores)
        return min(free, key=lambda row: (scores[row], -int(self.computed.pool.ids[row])), default=None)


@dataclass(frozen=True)
class Obstacle:
    """Why the candidate has no place. position: the one it would have without it; None where nothing alone helps.

    holders: rows of the list that hold its place; rules: that put it off; limit: the smallest that would let it in.
    """

    kind: Kind
    position: int | None = None
    holders: tuple[int, ...] = ()
    rules: tuple[Rule, ...] = ()
    limit: float | None = None


def obstacle_of(candidate: Candidate) -> Obstacle:
    """What alone keeps it off, in this order: a bury, a cap, all caps, a pin, exploring, variety. Else its score."""
    for found in (_bury, _title, _label, _rule_cap, _all_caps, _pin, _exploring, _variety):
        if (obstacle := found(candidate)) is not None:
            return obstacle
    own, free = candidate.computed, _without_caps(candidate)
    plain = replace(own.ranker.recipe, diversity=0.0, calibration=0.0, explore_share=0.0)
    ruling = replace(free[1], pins=(), moved={})
    position = candidate.again(pool=free[0], recipe=plain, ruling=ruling)
    return Obstacle("several", position) if position and not _is_outscored(candidate) else Obstacle("outscored")


def _is_outscored(candidate: Candidate) -> bool:
    last = candidate.last()
    scores = candidate.computed.ruling.scores(candidate.computed.fused.scores)
    return last is not None and bool(scores[candidate.place] < scores[last])


def smallest_boost(candidate: Candidate) -> float | None:
    """In tenths of a standard deviation; None where the strongest does not bring it onto the list."""
    if candidate.again(ruling=candidate.raised_by(MOST_STRENGTH)) is None:
        return None
    low, high = 0, int(MOST_STRENGTH * TENTHS)
    while high - low > 1:
        middle = (low + high) // 2
        if candidate.again(ruling=candidate.raised_by(middle / TENTHS)) is None:
            low = middle
        else:
            high = middle
    return high / TENTHS


def _bury(candidate: Candidate) -> Obstacle | None:
    own = candidate.computed
    rules = {each.rule.pk or 0: each.rule for each in own.rules.rules}
    buries = [rule_id for rule_id, moved in own.ruling.moved.items() if moved[candidate.place] < 0]
    if not buries:
        return None
    lifted = {rule_id: moved for rule_id, moved in own.ruling.moved.items() if rule_id not in buries}
    position = candidate.again(ruling=replace(own.ruling, moved=lifted))
    return Obstacle("buried", position, rules=tuple(rules[each] for each in buries)) if position else None


def _title(candidate: Candidate) -> Obstacle | None:
    own, limit = candidate.computed, candidate.computed.ranker.recipe.max_per_title
    position = candidate.again(pool=_retitled(candidate))
    if position is None:
        return None
    keys = picking.caps_of(own.pool, own.state, own.ranker.recipe, n=own.question.n)[0].keys
    enough = _smallest(
        range(limit + 1, own.question.n + 1),
        lambda most: candidate.again(recipe=replace(own.ranker.recipe, max_per_title=int(most))),
    )
    return Obstacle("title", position, _sharing(candidate, keys), limit=enough)


def _label(candidate: Candidate) -> Obstacle | None:
    own, n = candidate.computed, candidate.computed.question.n
    position = candidate.again(pool=_unlabelled(candidate))
    if position is None:
        return None
    cap = picking.caps_of(own.pool, own.state, own.ranker.recipe, n=n)[1]
    shares = [min(1.0, math.floor(100 * most / n) / 100) for most in range(cap.limit + 1, n + 1)]
    wider = sorted({share for share in shares if share > own.ranker.recipe.max_share_per_label})
    enough = _smallest(
        wider if own.state.has_history else (),
        lambda share: candidate.again(recipe=replace(own.ranker.recipe, max_share_per_label=share)),
    )
    return Obstacle("label", position, _sharing(candidate, cap.keys), limit=enough)


def _rule_cap(candidate: Candidate) -> Obstacle | None:
    own = candidate.computed
    capping = [each.rule for each in own.rules.rules if each.rule.action == Rule.Action.CAP]
    for number, (cap, rule) in enumerate(zip(own.ruling.caps, capping, strict=True)):

        def with_cap(other: Cap, number: int = number) -> int | None:
            caps = [*own.ruling.caps[:number], other, *own.ruling.caps[number + 1 :]]
            return candidate.again(ruling=replace(own.ruling, caps=caps))

        position = with_cap(_freed(cap, candidate.place))
        if position is not None:
            wider = range(cap.limit + 1, own.question.n + 1)
            keys = cap.keys
            enough = _smallest(wider, lambda most, keys=keys, with_cap=with_cap: with_cap(Cap(keys, int(most))))  # type: ignore[misc]
            return Obstacle("rule cap", position, _sharing(candidate, cap.keys), (rule,), enough)
    return None


def _all_caps(candidate: Candidate) -> Obstacle | None:
    pool, ruling = _without_caps(candidate)
    position = candidate.again(pool=pool, ruling=ruling)
    return Obstacle("caps", position) if position else None


def _pin(candidate: Candidate) -> Obstacle | None:
    own = candidate.computed
    position = candidate.again(ruling=replace(own.ruling, pins=())) if own.ruling.pins else None
    if position is None:
        return None
    pinning = {pin.id for pin in own.picked.pinned.values()}
    rules = tuple(each.rule for each in own.rules.rules if (each.rule.pk or 0) in pinning)
    return Obstacle("pin", position, tuple(own.picked.pinned), rules)


def _exploring(candidate: Candidate) -> Obstacle | None:
    own = candidate.computed
    if not own.picked.propensities:
        return None
    position = candidate.again(recipe=replace(own.ranker.recipe, explore_share=0.0))
    return Obstacle("exploring", position, tuple(own.picked.propensities)) if position else None


def _variety(candidate: Candidate) -> Obstacle | None:
    recipe = candidate.computed.ranker.recipe
    if not (recipe.diversity or recipe.calibration):
        return None
    position = candidate.again(recipe=replace(recipe, diversity=0.0, calibration=0.0))
    return Obstacle("variety", position) if position else None


def _retitled(candidate: Candidate) -> Pool:
    """As if no other candidate read the same."""
    titles = list(candidate.computed.pool.titles)
    titles[candidate.place] = f"\0{candidate.place}"
    return replace(candidate.computed.pool, titles=tuple(titles))


def _unlabelled(candidate: Candidate, pool: Pool | None = None) -> Pool:
    pool = pool or candidate.computed.pool
    return replace(pool, labels=(*pool.labels[: candidate.place], (), *pool.labels[candidate.place + 1 :]))


def _without_caps(candidate: Candidate) -> tuple[Pool, Ruling]:
    ruling = candidate.computed.ruling
    caps = [_freed(cap, candidate.place) for cap in ruling.caps]
    return _unlabelled(candidate, _retitled(candidate)), replace(ruling, caps=caps)


def _freed(cap: Cap, place: int) -> Cap:
    return Cap([None if each == place else key for each, key in enumerate(cap.keys)], cap.limit)


def _sharing(candidate: Candidate, keys: Sequence[object]) -> tuple[int, ...]:
    return tuple(row for row in candidate.computed.picked.places if keys[row] == keys[candidate.place])


def _smallest(values: Sequence[float], position: Callable[[float], int | None]) -> float | None:
    return next((value for value in values if position(value) is not None), None)
