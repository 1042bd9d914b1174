"""Rules on the site: which hold for a list, which candidates each is about, and what they come to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from catalog.models import Item, Label
from recommender.algorithms import rules as algorithm
from recommender.algorithms.rules import RankingRule, Ruling
from recommender.algorithms.weights import bucket_of
from recommender.candidates import Pool, UserState
from recommender.models import ItemStatistics, Rule
from recommender.scopes import Audience, ItemFacts, Scope, audience_from, holds, scope_from
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

PROPOSED_A_RULE = 50  # candidates that a pin or a boost brings along
BROUGHT_BY = (Rule.Action.PIN, Rule.Action.BOOST)
Branches = Callable[[Sequence[int]], Mapping[int, frozenset[int]]]


@dataclass(frozen=True)
class RuleInForce:
    """A rule with what it says, read; its labels' branches are in `RulesInForce.within`."""

    rule: Rule
    scope: Scope
    audience: Audience


@dataclass(frozen=True)
class RulesInForce:
    """The rules of one list, the first in priority first. within: label id -> itself and the ids of all below it."""

    rules: tuple[RuleInForce, ...] = ()
    within: Mapping[int, frozenset[int]] | None = None

    def branches(self) -> Mapping[int, frozenset[int]]:
        return self.within or {}


def read(rules: Sequence[Rule], *, also: Scope | None = None, branches: Branches | None = None) -> RulesInForce:
    """Rules as lists use them: one query where any names a label. also: a scope whose labels are wanted, too.
    branches: of labels, where they are not what is stored.

    One that cannot be read any more holds nobody's list up: it is left out and logged.
    """
    found = tuple(one for rule in by_priority(rules) if (one := _read(rule)) is not None)
    roots = {label for each in found for label in (*each.scope.labels, *each.audience.interests)}
    roots.update(also.labels if also else ())
    branches = branches or Label.objects.all().branches
    return RulesInForce(found, branches(sorted(roots)) if roots else {})


def _read(rule: Rule) -> RuleInForce | None:
    try:
        return RuleInForce(rule, scope_from(rule.scope), audience_from(rule.audience))
    except InvalidInputError as error:
        log.warning("rule_unreadable", rule=rule.pk, why=error.message)
        return None


def by_priority(rules: Iterable[Rule]) -> list[Rule]:
    """As lists obey them: the first wins where two contradict."""
    return sorted(rules, key=lambda rule: (-rule.priority, rule.name, -rule.version, rule.pk or 0))


def as_published(draft: Rule, *, at: datetime) -> list[Rule]:
    """Rules of all placements that would hold at this moment, were the draft published instead of its older version."""
    return by_priority([*Rule.objects.holding(at).exclude(name=draft.name), draft])


def at_placement(rules: Iterable[Rule], placement: str) -> list[Rule]:
    return [rule for rule in rules if rule.placement in ("", placement)]


def for_user(rules: RulesInForce, user_external_id: str, state: UserState, *, arm: str) -> RulesInForce:
    """Those whose audience the user belongs to. arm: "experiment/arm" of this list, or ''."""
    kept = [each for each in rules.rules if reaches(each.audience, user_external_id, state, arm, rules.branches())]
    return RulesInForce(tuple(kept), rules.within)


def reaches(
    audience: Audience, user_external_id: str, state: UserState, arm: str, within: Mapping[int, frozenset[int]]
) -> bool:
    attributes = state.user.attributes if state.user else {}
    interested = {each.label_id for each in state.interest_labels}
    return (
        (not audience.users or user_external_id in audience.users)
        and (not audience.histories or bucket_of(state.past.length) in audience.histories)
        and (not audience.interests or any(interested & within.get(root, {root}) for root in audience.interests))
        and all(_as_text(attributes.get(name, "")) == value for name, value in audience.attributes.items())
        and (not audience.arm or audience.arm == arm)
    )


def _as_text(value: object) -> str:
    """As PostgreSQL writes a value of a JSON object as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def brought(rules: RulesInForce, *, filtered: Scope | None, k: int) -> list[int]:
    """Ids of items that may be shown and that no source need have proposed: of pins, boosts and the filter asked for.

    One query. The most popular of each scope come first, `k` of the filter's.
    """
    scopes = [(each.scope, PROPOSED_A_RULE) for each in rules.rules if each.rule.action in BROUGHT_BY]
    if filtered is not None and not filtered.is_everything:
        scopes.append((filtered, k))
    wanted = [(scope, limit) for scope, limit in scopes if not scope.is_everything]
    return ItemStatistics.objects.all().popular_in(wanted, rules.branches()) if wanted else []


def facts_of(pool: Pool) -> list[ItemFacts]:
    """One query; of an item that has gone nothing is known."""
    rows = Item.objects.all().facts(pool.ids.tolist())
    gone = ("", "", None, None)
    return [
        ItemFacts(*rows.get(int(item_id), gone), labels=frozenset(label.label_id for label in own))
        for item_id, own in zip(pool.ids, pool.labels, strict=True)
    ]


def decide(rules: RulesInForce, pool: Pool, scores: NDArray[np.float64], *, filtered: Scope | None = None) -> Ruling:
    """What the rules come to for these candidates; what the filter does not hold for is left out as well."""
    is_filtered = filtered is not None and not filtered.is_everything
    if not rules.rules and not is_filtered:
        return algorithm.no_rules(len(pool))
    facts = facts_of(pool)
    ranking = [_ranking_rule(each, pool, facts, rules.branches()) for each in rules.rules]
    ruling = algorithm.decide(ranking, scores)
    if filtered is not None and is_filtered:
        ruling.allowed[:] &= matches(filtered, facts, rules.branches())
    return ruling


def matches(scope: Scope, facts: Sequence[ItemFacts], within: Mapping[int, frozenset[int]]) -> NDArray[np.bool_]:
    return np.array([holds(scope, each, within) for each in facts], dtype=bool)


def _ranking_rule(
    each: RuleInForce, pool: Pool, facts: Sequence[ItemFacts], within: Mapping[int, frozenset[int]]
) -> RankingRule:
    rule, found = each.rule, matches(each.scope, facts, within)
    sign = -1.0 if rule.action == Rule.Action.BURY else 1.0
    return RankingRule(
        id=rule.pk or 0,
        action=rule.action,
        matches=found,
        position=rule.position or 1,
        strength=sign * abs(rule.strength or 0.0),
        limit=rule.limit or 0,
        keys=_cap_keys(each, pool, facts, found) if rule.action == Rule.Action.CAP else (),
    )


def _cap_keys(
    each: RuleInForce, pool: Pool, facts: Sequence[ItemFacts], found: NDArray[np.bool_]
) -> list[Hashable | None]:
    by = each.rule.cap_by
    keys: list[Hashable | None] = []
    for place in range(len(pool)):
        own: Hashable | None = True
        if by == Rule.CapBy.BRAND:
            own = facts[place].brand.lower() or None
        elif by == Rule.CapBy.LABEL:
            own = pool.top_label(place)
        keys.append(own if found[place] else None)
    return keys


def touching(rules: RulesInForce, ruling: Ruling, place: int, pin: RankingRule | None) -> list[dict[str, object]]:
    """What a slate keeps of the rules that moved or pinned the candidate, strongest first."""
    by_id = {each.rule.pk or 0: each.rule for each in rules.rules}
    found: list[tuple[float, dict[str, object]]] = []
    if pin is not None:
        found.append((math.inf, {**_named(by_id[pin.id]), "position": pin.position}))
    for rule_id, moved in ruling.moved.items():
        if amount := float(moved[place]):
            found.append((abs(amount), {**_named(by_id[rule_id]), "added": round(amount, 6)}))
    return [named for _, named in sorted(found, key=lambda each: -each[0])]


def in_details(rules: RulesInForce) -> list[dict[str, object]]:
    """What a slate keeps of the rules in force for it."""
    return [_named(each.rule) for each in rules.rules]


def _named(rule: Rule) -> dict[str, object]:
    return {"id": rule.pk, "name": rule.name, "version": rule.version, "action": rule.action}
