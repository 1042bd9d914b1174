"""What the pages and the API say of rules: each in words, in its state, and how many lists it was in force for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from catalog.models import Item, Label
from recommender import rules as list_rules
from recommender.models import InterestLabel, Rule, Slate
from recommender.models.neighbour import in_scope
from recommender.rule_content import RuleContent
from recommender.rule_words import ICONS, Names, State, does, for_whom, names_of_rules, readable, state_of, when, where
from recommender.rules import by_priority
from recommender.scopes import ItemFacts, Scope, holds
from recsite.operations.errors import NotFoundError

FIGURES_DAYS = 7
MOST_COUNTED = 1_000
TILES_SHOWN = 6
RULES_ABOUT_AN_ITEM = 200
RANK = {"running": 0, "scheduled": 0, "draft": 1, "over": 2, "stopped": 3}


@dataclass(frozen=True)
class RuleRow:
    """A version in words. place: in the order of priority, None where it has none. lists: of the last
    days, for which it was in force."""

    rule: Rule
    content: RuleContent | None
    state: State
    does: str
    for_whom: str
    where: str
    when: str
    place: int | None = None
    lists: int = 0
    draft: Rule | None = None

    @property
    def icon(self) -> str:
        return ICONS.get(self.rule.action, "package")


@dataclass(frozen=True)
class RuleList:
    """counts: of rules by state, whatever is filtered; places: how many rules have a place in the order."""

    rows: tuple[RuleRow, ...]
    counts: dict[str, int]
    places: int
    placements: tuple[str, ...]
    is_empty: bool


@dataclass(frozen=True)
class Figures:
    """in_force: lists of the last days it was in force for; touched: how many of the newest `looked_at` of these have
    an item that it moved or pinned."""

    in_force: int
    touched: int
    looked_at: int


@dataclass(frozen=True)
class RulePage:
    """versions: newest first; chosen: the published one, else the newest."""

    name: str
    versions: tuple[RuleRow, ...]
    chosen: RuleRow
    draft: Rule | None
    figures: Figures
    next_change: datetime | None
    place: int | None
    places: int
    can_undo: bool


@dataclass(frozen=True)
class Matching:
    """Items in a scope; n stops at `MOST_COUNTED`. shown: the most popular that lists may show."""

    n: int
    is_more: bool
    shown: tuple[Item, ...]
    hidden: int


def row_of(rule: Rule, names: Names, now: datetime, **known: object) -> RuleRow:
    content = readable(rule)
    said = content or RuleContent(action=rule.action)
    return RuleRow(
        rule=rule,
        content=content,
        state=state_of(rule, now),
        does=does(said, names) if content else "",
        for_whom=for_whom(said.audience, names),
        where=where(rule.placement),
        when=when(rule.starts_at, rule.ends_at),
        **known,  # type: ignore[arg-type]
    )


def overview(*, state: str = "", action: str = "", placement: str = "", q: str = "") -> RuleList:
    """A row a rule: those with a place in their order, then drafts, then what is over or was stopped, by name."""
    now = timezone.now()
    every = list(Rule.objects.filter(pk__in=Rule.objects.shown_versions().values("pk")).order_by("name"))
    states = {rule.pk: state_of(rule, now) for rule in every}
    counts = {key: sum(each.key == key for each in states.values()) for key in RANK}
    ordered = by_priority(rule for rule in every if RANK[states[rule.pk].key] == 0)
    place_of = {rule.pk: place for place, rule in enumerate(ordered, start=1)}
    rest = sorted(
        (rule for rule in every if rule.pk not in place_of), key=lambda rule: (RANK[states[rule.pk].key], rule.name)
    )
    chosen = [
        rule
        for rule in [*ordered, *rest]
        if (not state or states[rule.pk].key == state)
        and (not action or rule.action == action)
        and (not placement or rule.placement in ("", placement))
        and (not q or q.casefold() in f"{rule.name} {rule.note}".casefold())
    ]
    drafts = {each.name: each for each in Rule.objects.filter(state=Rule.State.DRAFT)}
    lists = Slate.objects.all().in_force_since(now - timedelta(days=FIGURES_DAYS))
    names = names_of_rules(chosen)
    rows = tuple(
        row_of(
            rule,
            names,
            now,
            place=place_of.get(rule.pk),
            lists=lists.get(rule.name, 0),
            draft=drafts.get(rule.name) if rule.state != Rule.State.DRAFT else None,
        )
        for rule in chosen
    )
    placements = tuple(sorted({rule.placement for rule in every if rule.placement}))
    return RuleList(rows, counts, len(ordered), placements, is_empty=not every)


def page_of_rule(name: str) -> RulePage:
    """Raises NotFoundError where there is no such rule."""
    now = timezone.now()
    found = list(
        Rule.objects.filter(name=name).select_related("created_by", "published_by", "retired_by").order_by("-version")
    )
    if not found:
        raise NotFoundError(f"There is no rule named {name!r}.")
    names = names_of_rules(found)
    rows = tuple(row_of(rule, names, now) for rule in found)
    published = next((row for row in rows if row.rule.state == Rule.State.PUBLISHED), None)
    chosen = published or next((row for row in rows if row.rule.state == Rule.State.DRAFT), rows[0])
    order = by_priority(Rule.objects.not_over(now))
    rule = chosen.rule
    since = now - timedelta(days=FIGURES_DAYS)
    return RulePage(
        name=name,
        versions=rows,
        chosen=chosen,
        draft=next((row.rule for row in rows if row.rule.state == Rule.State.DRAFT), None),
        figures=Figures(*Slate.objects.all().touched_by(name, since)),
        next_change=next((at for at in (rule.starts_at, rule.ends_at) if at and at > now), None) if published else None,
        place=next((place for place, one in enumerate(order, start=1) if one.pk == rule.pk), None),
        places=len(order),
        can_undo=bool(published and rule.published_at and now - rule.published_at < timedelta(hours=1)),
    )


def matching(scope: Scope) -> Matching:
    """Five queries at most, whatever the scope."""
    within = Label.objects.all().branches(sorted(scope.labels)) if scope.labels else {}
    inside = Item.objects.filter(in_scope(scope, within))
    may_show = inside.recommendable()
    n = may_show.order_by()[: MOST_COUNTED + 1].count()
    hidden = inside.exclude(pk__in=may_show.values("pk")).order_by()[: MOST_COUNTED + 1].count()
    shown = (
        may_show.for_tiles().order_by("-statistics__popularity", "pk")
        if n <= MOST_COUNTED
        else may_show.for_tiles().order_by("pk")
    )
    return Matching(min(n, MOST_COUNTED), n > MOST_COUNTED, tuple(shown[:TILES_SHOWN]), hidden)


def rules_about(item: Item) -> list[RuleRow]:
    """Rules that run or are to begin and have the item in their scope, the first in priority first."""
    now = timezone.now()
    rules = list(Rule.objects.not_over(now).by_priority()[:RULES_ABOUT_AN_ITEM])
    read = list_rules.read(rules)
    facts = Item.objects.all().facts([item.pk]).get(item.pk)
    if facts is None or not rules:
        return []
    labels = frozenset(label for _, _, label, _ in InterestLabel.objects.labels_of_items([item.pk]))
    of_item = ItemFacts(*facts, labels=labels)
    about = [each.rule for each in read.rules if holds(each.scope, of_item, read.branches())]
    names = names_of_rules(about)
    return [row_of(rule, names, now) for rule in about]
