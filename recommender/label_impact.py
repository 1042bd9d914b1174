"""What planned changes of labels mean for lists: whom they reach, and real users' lists before and after.

Nothing is written, not even in a transaction that is taken back: lists are computed from a shelf on which labels are as
planned. So no row is locked, nobody waits, and no bell can ring for what was never done.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

from catalog.label_changes import LabelChanges
from catalog.label_metrics import wilson
from catalog.models import Item
from recommender import rules as list_rules
from recommender.candidates import UserState
from recommender.interests import labels_with
from recommender.models import EndUser, InterestLabel, Rule
from recommender.planned_shelf import PlannedShelf
from recommender.remembering_shelf import Known
from recommender.slates import Question, Supposition, compute
from recommender.strategy_preview import sample_users

SAMPLE_USERS = 60
COUNTED_USERS = 5_000  # of more users than these, whom labels reach is counted among so many and multiplied
BUDGET_S = 0.4  # of one request, from its beginning
LIST_LENGTH = 12
EXAMPLES = 3
BROUGHT = 50


@dataclass(frozen=True)
class Example:
    """A user's list: titles that come into it, that leave it, and how many of those that stay change places."""

    user_external_id: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    moved: int


@dataclass(frozen=True)
class LabelImpact:
    """users: whose interests rest on what changes; of: all users. among: whose lists may change, of whom `looked_at`
    were computed, `changed` of them differ; rules: that name the labels, so that `among` is everybody.

    drawn: keys of the users to look at. next_start: where to go on among them, None at their end.
    """

    changes: LabelChanges
    users: int
    of: int
    among: int
    drawn: tuple[int, ...]
    looked_at: int
    changed: int
    examples: tuple[Example, ...]
    rules: tuple[str, ...] = ()
    next_start: int | None = None

    @property
    def sample(self) -> int:
        return len(self.drawn)

    @property
    def is_exact(self) -> bool:
        return self.looked_at >= self.among

    @property
    def lists(self) -> int:
        """About how many users' lists change."""
        return round(self.among * self.changed / self.looked_at) if self.looked_at else 0

    @property
    def interval(self) -> tuple[int, int]:
        """95%: no fewer than were seen to change, no more than were not seen to stay."""
        if self.is_exact:
            return self.changed, self.changed
        low, high = wilson(self.changed, self.looked_at)
        most = self.among - (self.looked_at - self.changed)
        return max(self.changed, round(low * self.among)), min(most, round(high * self.among))


@dataclass(frozen=True)
class SoFar:
    """What the answers before said: users reached, those drawn, how many of them were looked at and differ, and how
    many examples were shown."""

    users: int
    drawn: tuple[int, ...]
    looked_at: int = 0
    changed: int = 0
    examples: int = 0


def label_impact(
    changes: LabelChanges, *, so_far: SoFar | None = None, began: float | None = None, budget_s: float | None = None
) -> LabelImpact:
    """Users of the sample until the time is up. began: of the request, by `time.monotonic`.

    The first answer may be that of whom it reaches, alone; each after it looks at one user at least, so asking ends.
    """
    began = time.monotonic() if began is None else began
    budget_s = BUDGET_S if budget_s is None else budget_s
    named, of = _rules_naming(changes), EndUser.objects.count()
    if so_far is None:
        users, drawn = _reached(changes, of)
        if changes.is_nothing or changes.is_too_much or (changes.is_only_branches and not named):
            drawn = []
        elif named:
            drawn = _anybody()
        so_far, must_look = SoFar(users, tuple(drawn)), False
    else:
        must_look = True
    among = 0 if not so_far.drawn else of if named else so_far.users
    done, changed = min(so_far.looked_at, len(so_far.drawn)), so_far.changed
    known: Known = {}
    before, after = PlannedShelf(LabelChanges(), known), PlannedShelf(changes, known)
    found: list[Example] = []
    for pk in so_far.drawn[done:]:
        if not must_look and time.monotonic() - began >= budget_s:
            break
        must_look = False
        known.clear()
        done += 1
        user = EndUser.objects.filter(pk=pk).first()
        if user is not None and (differing := _differing(user, before, after)) is not None:
            changed += 1
            found.append(_example(user, *differing))
    return LabelImpact(
        changes=changes,
        users=so_far.users,
        of=of,
        among=among,
        drawn=so_far.drawn,
        looked_at=done,
        changed=min(changed, done),
        examples=_telling(found, shown=so_far.examples),
        rules=named,
        next_start=done if done < len(so_far.drawn) else None,
    )


def _reached(changes: LabelChanges, of: int) -> tuple[int, list[int]]:
    """Users whose interests rest on what changes: how many, and some of them. Among very many users they are counted
    in a part, as long as that part holds as many as are drawn; where fewer are reached, among all."""
    if changes.is_nothing:
        return 0, []
    resting_on = InterestLabel.objects.all().users_resting_on
    labels, items = changes.label_ids, changes.item_ids
    every = -(-of // COUNTED_USERS)
    if every > 1:
        counted, drawn = resting_on(labels, items, n=SAMPLE_USERS, every=every)
        if len(drawn) == SAMPLE_USERS:
            return min(of, counted * every), drawn
    return resting_on(labels, items, n=SAMPLE_USERS)


def _telling(found: list[Example], *, shown: int) -> tuple[Example, ...]:
    """Those that gain or lose most; of those where only the order differs, one where nothing else was shown."""
    best = sorted(found, key=lambda each: -len(each.gained) - len(each.lost))
    telling = [each for each in best if each.gained or each.lost]
    return tuple((telling or best[: 0 if shown else 1])[: EXAMPLES - shown])


def listed(user: EndUser, shelf: PlannedShelf) -> list[int]:
    """Ids of the items that the user's list would have were labels as the shelf has them. Asks no language model."""
    supposing = Supposition(
        shelf=shelf,
        state=lambda state: _with_labels(state, shelf),
        branches=shelf.branches,
        brought=lambda rules: shelf.brought(rules, most=BROUGHT),
    )
    computed = compute(Question(user.external_id, LIST_LENGTH), supposing=supposing)
    return computed.pool.ids[list(computed.picked.places)].tolist()


def _with_labels(state: UserState, shelf: PlannedShelf) -> UserState:
    """The user as a rebuild of their interests would see them."""
    if state.user is None:
        return state
    history = shelf.history_of(state.user)
    labels = shelf.labels_of(sorted({event.item_id for event in history}))
    return replace(state, interest_labels=tuple(labels_with(state.user, history, state.interests, labels)))


def _differing(user: EndUser, before: PlannedShelf, after: PlannedShelf) -> tuple[list[int], list[int]] | None:
    old, new = listed(user, before), listed(user, after)
    return None if old == new else (old, new)


def _example(user: EndUser, old: Sequence[int], new: Sequence[int]) -> Example:
    gained, lost = [item for item in new if item not in old], [item for item in old if item not in new]
    stay = [item for item in new if item in old]
    titles = dict(Item.objects.filter(pk__in=[*gained, *lost]).values_list("pk", "title"))
    return Example(
        user.external_id,
        tuple(titles[item] for item in gained if item in titles),
        tuple(titles[item] for item in lost if item in titles),
        sum(old.index(item) != new.index(item) for item in stay),
    )


def _anybody() -> list[int]:
    """Keys of active users: the sample that drafts of strategies are tried on."""
    wanted = sample_users(SAMPLE_USERS)
    keys = dict(EndUser.objects.filter(external_id__in=wanted).values_list("external_id", "pk"))
    return [keys[external_id] for external_id in wanted if external_id in keys]


def _rules_naming(changes: LabelChanges) -> tuple[str, ...]:
    """Rules in force that are about one of the labels, be it by a branch: they may change lists of users whom no
    interest leads to the labels."""
    touched = {*changes.label_ids, *changes.moved}
    touched |= {parent for parent in changes.moved.values() if parent}
    rules = list_rules.read(list(Rule.objects.in_force(timezone.now())))
    branches = rules.branches()
    return tuple(
        each.rule.name
        for each in rules.rules
        if any(
            touched & branches.get(root, frozenset({root})) for root in (*each.scope.labels, *each.audience.interests)
        )
    )
