"""What keeps an item off a list, and what would have to change, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from catalog.models import Item
from recommender.models import Event, Rule, Strategy
from recommender.scopes import ItemFacts, Scope
from recommender.templatetags.scores import source_name
from recommender.why_not_places import Obstacle
from recommender.why_not_sources import SourceRank
from recsite.operations.templatetags.console import day, number

NAMED = 2
LEAST = 0.005


@dataclass(frozen=True)
class Remedy:
    """What would have to change. strength: of a boost that works, in standard deviations; position: where it lands."""

    words: str
    address: str = ""
    strength: float | None = None
    position: int | None = None


def address_of(name: str, *arguments: object, **query: object) -> str:
    """'' where the console has no such page."""
    try:
        address = reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address


def item_address(item: Item) -> str:
    return address_of("item", item.external_id)


def show_again(item: Item) -> Remedy:
    return Remedy(gettext("Show it again on its page."), item_address(item))


def rule_address(rule: Rule) -> str:
    return address_of("rule", rule.name)


def change_rule(rule: Rule) -> Remedy:
    words = gettext("Change or retire the rule “%(rule)s”.") % {"rule": rule.name}
    return Remedy(words, rule_address(rule))


def not_free(
    settling: Sequence[tuple[str, datetime, int, str, str]], item: Item, *, window_days: int, as_of: datetime
) -> tuple[str, tuple[Remedy, ...]]:
    """settling: as EventQuerySet.settling gives them."""
    kind, moment, item_id, _, title = settling[0]
    other = {"day": day(moment), "title": title}
    is_itself = item_id == item.pk
    if kind == Event.Type.HIDE:
        cause = (
            gettext("The user hid it on %(day)s.")
            if is_itself
            else gettext("It reads the same as “%(title)s”, which the user hid on %(day)s.")
        )
        return cause % other, (Remedy(gettext("Only the user can take that back.")),)
    cause = (
        gettext("Bought on %(day)s, and what was bought within %(window)s days is not recommended again.")
        if is_itself
        else gettext("It reads the same as “%(title)s”, bought on %(day)s: within %(window)s days it is not repeated.")
    )
    free = gettext("Free again on %(day)s.") % {"day": day(moment + timedelta(days=window_days))}
    if timezone.now() - as_of > timedelta(days=2):
        free += " " + gettext("Days count to the shop's newest event, %(day)s.") % {"day": day(as_of)}
    repeats = Remedy(gettext("Ask with repeats allowed, or have the strategy allow them."), address_of("strategies"))
    return cause % {**other, "window": number(window_days)}, (Remedy(free), repeats)


def outside(parts: Sequence[str], within: Scope, facts: ItemFacts) -> str:
    said = {
        "items": gettext("it is none of the items named"),
        "labels": gettext("it carries none of the labels"),
        "brands": gettext("its brand is %(brand)s") % {"brand": facts.brand or "–"},
        "price_from": gettext("its price is %(price)s, the filter takes %(low)s to %(high)s")
        % {"price": facts.price or "–", "low": within.price_from or 0, "high": _end(within.price_to)},
        "stock_from": gettext("its stock is %(stock)s, the filter takes %(low)s to %(high)s")
        % {
            "stock": "–" if facts.stock is None else facts.stock,
            "low": within.stock_from or 0,
            "high": _end(within.stock_to),
        },
    }
    return gettext("Outside the filter asked for: %(reasons)s.") % {"reasons": "; ".join(said[part] for part in parts)}


def no_source(ranks: Iterable[SourceRank]) -> str:
    """Names the source in which it stands closest to being taken."""
    ranked = [rank for rank in ranks if rank.rank is not None and rank.taken and not rank.is_taken]
    if not ranked:
        return gettext("No source knows it for this user, so none proposed it.")
    best = min(ranked, key=lambda each: ((each.rank or 0) / each.taken, each.source))
    return gettext(
        "No source proposed it. Closest: %(source)s, place %(rank)s of %(of)s; the first %(taken)s are taken."
    ) % {
        "source": source_name(best.source),
        "rank": number(best.rank),
        "of": number(best.of),
        "taken": number(best.taken),
    }


def outscored(behind: float | None, compared: Sequence[object], last: Item | None) -> str:
    """compared: parts with `source` and `difference`, what speaks most for the last one first."""
    if behind is None:
        return gettext("Other items fill the list.")
    most = [source_name(part.source) for part in compared if part.difference >= LEAST][:NAMED]  # type: ignore[attr-defined]
    cause = gettext("Outscored: the last one on the list scores %(by)s more.") % {"by": f"{behind:.2f}"}
    if behind < LEAST:
        cause = gettext("Outscored, though by less than two decimals show.")
    return f"{cause} " + gettext("Most of it: %(sources)s.") % {"sources": ", ".join(most)} if most else cause


def obstacle(found: Obstacle, titles: Sequence[str]) -> str:
    """titles: of the items that hold its place."""
    rules = ", ".join(f"“{rule.name}”" for rule in found.rules)
    named = ", ".join(f"“{title}”" for title in titles[:NAMED])
    figures = {"rules": rules, "items": named, "n": number(len(titles))}
    sentences = {
        "buried": gettext("Buried by the rule %(rules)s."),
        "title": gettext("Items that read the same hold its place: %(items)s."),
        "label": ngettext(
            "%(n)s item of its label is on the list already, the most allowed: %(items)s.",
            "%(n)s items of its label are on the list already, the most allowed: %(items)s, …",
            len(titles),
        ),
        "rule cap": gettext("The cap of the rule %(rules)s is reached: %(n)s on the list, such as %(items)s."),
        "caps": gettext("Several caps together hold it back: on titles, labels or by rules."),
        "pin": gettext("Displaced by what the rule %(rules)s pins: %(items)s."),
        "exploring": gettext("Displaced by an item that is shown to explore: %(items)s."),
        "variety": gettext("Its score would do, but the strategy's variety or calibration prefers others."),
        "several": gettext("Its score would do; caps, pins, exploring and variety together hold it back."),
    }
    return sentences[found.kind] % figures


def remedies_of(found: Obstacle, strategy: Strategy) -> tuple[Remedy, ...]:
    recipe = address_of("strategy", strategy.name)
    if found.kind == "title" and found.limit is not None:
        words = gettext("Raise max_per_title to %(limit)s in a draft of %(strategy)s.")
        return (Remedy(words % {"limit": int(found.limit), "strategy": strategy}, recipe, position=found.position),)
    if found.kind == "label":
        if found.limit is None:
            words = gettext("No larger share of a label does by itself; for users without a history it is fixed.")
            return (Remedy(words, recipe),)
        words = gettext("Raise max_share_per_label to %(limit)s in a draft of %(strategy)s.")
        limit = f"{found.limit:.2f}"
        return (Remedy(words % {"limit": limit, "strategy": strategy}, recipe, position=found.position),)
    if found.kind == "rule cap" and found.limit is not None:
        rule = found.rules[0]
        words = gettext("Raise the limit of the rule “%(rule)s” to %(limit)s.")
        return (Remedy(words % {"rule": rule.name, "limit": int(found.limit)}, rule_address(rule)),)
    if found.rules:
        words = gettext("Without the rule “%(rule)s” it would be at place %(place)s.")
        return tuple(
            Remedy(words % {"rule": rule.name, "place": found.position}, rule_address(rule), position=found.position)
            for rule in found.rules
        )
    if found.kind == "exploring":
        words = gettext("Ask again: what explores changes. Without exploring it would be at place %(place)s.")
        return (Remedy(words % {"place": found.position}, recipe, position=found.position),)
    if found.kind == "variety":
        words = gettext("Without variety and calibration it would be at place %(place)s.")
        return (Remedy(words % {"place": found.position}, recipe, position=found.position),)
    return ()


def boost(item: Item, strength: float, position: int) -> Remedy:
    words = gettext("A boost of %(strength)s standard deviations would bring it to place %(place)s.")
    address = address_of("rule-new", action="boost", item=item.external_id, strength=strength)
    return Remedy(words % {"strength": strength, "place": position}, address, strength, position)


def no_boost(item: Item) -> Remedy:
    address = address_of("rule-new", action="pin", item=item.external_id)
    return Remedy(gettext("No boost brings it onto the list; a pin does."), address)


def _end(value: object) -> object:
    return gettext("any") if value is None else value
