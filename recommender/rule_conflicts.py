"""What a draft of a rule runs into: rules that hold at the same time, items no list shows, users nobody is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from django.db.models import IntegerField, Value
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from catalog.models import Item, Label
from recommender.models import EndUser, Experiment, Rule
from recommender.models.neighbour import in_scope
from recommender.rule_words import moment, readable
from recommender.rules import RuleInForce, by_priority, read
from recommender.scopes import Audience

OTHERS_LOOKED_AT = 60
CAPS_LOOKED_AT = 5
SHARED_SHOWN = 3
FAR = datetime(9999, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Conflict:
    """kind: danger where the rule cannot do what it says, warning where another one decides, info otherwise.

    rule: the other one; items: (external id, title) of some that it is about.
    """

    kind: Literal["danger", "warning", "info"]
    words: str
    rule: Rule | None = None
    items: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Shared:
    """Items in the scopes of both rules, the first few."""

    other: RuleInForce
    items: tuple[tuple[str, str], ...]


def conflicts(draft: Rule, *, now: datetime | None = None) -> list[Conflict]:
    """Worst first; empty where nothing stands in its way. The number of queries does not grow with the rules."""
    now = now or timezone.now()
    others = list(Rule.objects.not_over(now).exclude(name=draft.name).by_priority()[: OTHERS_LOOKED_AT * 5])
    both = read([draft, *(rule for rule in others if _meet(draft, rule, now))])
    own = next((each for each in both.rules if each.rule is draft), None)
    if own is None:
        return []
    meeting = [each for each in both.rules if each.rule is not draft and _may_share_users(own.audience, each.audience)]
    within = both.branches()
    found = [*_of_items(own, within), *_of_labels(own), *_of_users(own.audience, within), *_of_time(draft, now)]
    shared = _shared(own, meeting[:OTHERS_LOOKED_AT], within)
    found += [one for each in shared if (one := _between(own.rule, each)) is not None]
    found += _same_position(own, meeting)
    found += _crowded_caps(own, meeting[:OTHERS_LOOKED_AT], shared, within)
    rank = {"danger": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda each: rank[each.kind])


def _meet(one: Rule, other: Rule, now: datetime) -> bool:
    """Whether there is a moment and a placement at which both hold."""
    begin = max(one.starts_at or LONG_AGO, other.starts_at or LONG_AGO, now)
    end = min(one.ends_at or FAR, other.ends_at or FAR)
    return begin < end and (not one.placement or not other.placement or one.placement == other.placement)


def _may_share_users(one: Audience, other: Audience) -> bool:
    """False only where nobody can belong to both."""
    return not (
        (one.users and other.users and not set(one.users) & set(other.users))
        or (one.histories and other.histories and not set(one.histories) & set(other.histories))
        or any(other.attributes.get(name, value) != value for name, value in one.attributes.items())
        or (one.arm and other.arm and one.arm != other.arm)
    )


def _shared(own: RuleInForce, others: Sequence[RuleInForce], within: Mapping[int, frozenset[int]]) -> list[_Shared]:
    """One query for all of them."""
    if not others:
        return []
    mine = Item.objects.order_by("pk").filter(in_scope(own.scope, within))
    asked = [
        mine.filter(in_scope(each.scope, within))
        .annotate(other=Value(place, output_field=IntegerField()))
        .values_list("other", "external_id", "title")[:SHARED_SHOWN]
        for place, each in enumerate(others)
    ]
    items: dict[int, list[tuple[str, str]]] = {}
    for place, external_id, title in asked[0].union(*asked[1:], all=True) if len(asked) > 1 else asked[0]:
        items.setdefault(place, []).append((external_id, title))
    return [_Shared(others[place], tuple(shown)) for place, shown in sorted(items.items())]


def _between(draft: Rule, shared: _Shared) -> Conflict | None:
    other = shared.other.rule
    pair, name = {draft.action, other.action}, {"rule": other.name}
    if pair == {"pin"} and _pin_the_same(draft, other):
        first = by_priority([draft, other])[0]
        said = (
            gettext("“%(rule)s” pins the same item and comes first: this one does nothing where that one does.")
            if first is other
            else gettext("“%(rule)s” pins the same item: it does nothing where this one does.")
        )
        return Conflict("warning", said % name, other, shared.items)
    if pair == {"pin", "exclude"}:
        if other.action == "exclude":
            return Conflict(
                "danger",
                gettext("“%(rule)s” leaves out some of its items: what is left out cannot be pinned.") % name,
                other,
                shared.items,
            )
        return Conflict(
            "danger",
            gettext("“%(rule)s” pins some of its items: left out, they are pinned no more.") % name,
            other,
            shared.items,
        )
    if pair == {"boost", "bury"}:
        said = (
            gettext("“%(rule)s” lowers some of the same items: the two add up.")
            if other.action == "bury"
            else gettext("“%(rule)s” raises some of the same items: the two add up.")
        )
        return Conflict("warning", said % name, other, shared.items)
    if "exclude" in pair and pair & {"boost", "bury"}:
        return Conflict(
            "warning",
            gettext("“%(rule)s” is about some of the same items: those left out are neither raised nor lowered.")
            % name,
            other,
            shared.items,
        )
    return None


def _same_position(own: RuleInForce, others: Sequence[RuleInForce]) -> list[Conflict]:
    draft = own.rule
    if draft.action != "pin":
        return []
    found = []
    for each in others:
        other = each.rule
        if other.action == "pin" and other.position == draft.position and not _pin_the_same(draft, other):
            first = by_priority([draft, other])[0]
            said = (
                gettext(
                    "“%(rule)s” pins to position %(position)s too and comes first: this one takes the next free place."
                )
                if first is other
                else gettext(
                    "“%(rule)s” pins to position %(position)s too: it gives way and takes the next free place."
                )
            )
            found.append(Conflict("warning", said % {"rule": other.name, "position": draft.position}, other))
    return found


def _pins_one(rule: Rule) -> str | None:
    """The id of its item where it names just one."""
    items = rule.scope.get("items", [])
    return items[0] if len(items) == 1 else None


def _pin_the_same(one: Rule, other: Rule) -> bool:
    return _pins_one(one) is not None and _pins_one(one) == _pins_one(other)


def _crowded_caps(
    own: RuleInForce, meeting: Sequence[RuleInForce], shared: Sequence[_Shared], within: Mapping[int, frozenset[int]]
) -> list[Conflict]:
    """Caps of a whole scope with more pins in it than they allow. A pin counts for a cap, and no cap holds it back."""
    found = []
    if own.rule.action == "cap":
        pins = [each for each in shared if each.other.rule.action == "pin"]
        if _is_of_scope(own.rule) and len(pins) > (own.rule.limit or 0):
            said = gettext(
                "%(pins)s rules pin items of it, more than the %(limit)s it allows: pins are shown all the same."
            )
            words = said % {"pins": len(pins), "limit": own.rule.limit}
            found.append(Conflict("warning", words, pins[0].other.rule, pins[0].items))
    elif own.rule.action == "pin":
        pinning = [each for each in meeting if each.rule.action == "pin"]
        caps = [each for each in shared if each.other.rule.action == "cap" and _is_of_scope(each.other.rule)]
        for each in caps[:CAPS_LOOKED_AT]:
            cap = each.other.rule
            pinned = 1 + len(_shared(each.other, pinning, within))
            if pinned > (cap.limit or 0):
                said = gettext(
                    "“%(rule)s” allows %(limit)s of its items and %(pins)s rules pin some: pins are shown all the same."
                )
                words = said % {"rule": cap.name, "limit": cap.limit, "pins": pinned}
                found.append(Conflict("warning", words, cap, each.items))
    return found


def _is_of_scope(cap: Rule) -> bool:
    return cap.cap_by == Rule.CapBy.SCOPE


def _of_items(own: RuleInForce, within: Mapping[int, frozenset[int]]) -> list[Conflict]:
    """Items that no list shows, whatever a rule says."""
    found = []
    inside = Item.objects.order_by("pk").filter(in_scope(own.scope, within))
    shows = inside.recommendable().exists()
    if not shows and not inside.exists():
        found.append(Conflict("danger", gettext("No item is in its scope, so it does nothing.")))
    elif not shows and own.rule.action != "exclude":
        found.append(Conflict("danger", gettext("All its items are hidden or out of stock: no rule can show them.")))
    elif own.rule.action == "pin" and own.scope.items:
        kept = set(inside.recommendable().values_list("pk", flat=True))
        rows = [row for row in inside.values_list("pk", "external_id", "title") if row[0] not in kept]
        if rows:
            said = ngettext(
                "%(n)s item is hidden or out of stock and cannot be pinned past that.",
                "%(n)s items are hidden or out of stock and cannot be pinned past that.",
                len(rows),
            )
            shown = tuple((external_id, title) for _, external_id, title in rows[:SHARED_SHOWN])
            found.append(Conflict("warning", said % {"n": len(rows)}, None, shown))
    return found


def _of_labels(own: RuleInForce) -> list[Conflict]:
    """Labels that became another, which the rule follows, and those that items get no more."""
    labels = sorted({*own.scope.labels, *own.audience.interests})
    into = Label.objects.all().merged_into(labels) if labels else {}
    known = Label.objects.in_bulk([*labels, *into.values()]) if labels else {}
    found = []
    for pk in (each for each in labels if each in known):
        label = known[into.get(pk, pk)]
        if pk in into:
            said = gettext("The label “%(label)s” was merged into “%(into)s”: the rule is about “%(into)s” now.")
            found.append(Conflict("info", said % {"label": known[pk].path, "into": label.path}))
        if label.is_deprecated:
            said = gettext("The label “%(label)s” is deprecated: only items that people gave it still have it.")
            found.append(Conflict("warning", said % {"label": label.path}))
    return found


def _of_users(audience: Audience, within: Mapping[int, frozenset[int]]) -> list[Conflict]:
    if audience.is_everybody:
        return []
    if audience.arm:
        name, _, arm = audience.arm.rpartition("/")
        experiment = Experiment.objects.filter(name=name).first()
        if experiment is None or arm not in [each.get("name") for each in experiment.arms]:
            return [
                Conflict(
                    "danger",
                    gettext("There is no arm “%(arm)s” of an experiment, so it reaches nobody.")
                    % {"arm": audience.arm},
                )
            ]
        if experiment.state != Experiment.State.RUNNING:
            return [
                Conflict(
                    "warning",
                    gettext("The experiment “%(name)s” is not running, so it reaches nobody now.") % {"name": name},
                )
            ]
    if audience.users and not (audience.attributes or audience.interests):
        known = set(EndUser.objects.filter(external_id__in=audience.users).values_list("external_id", flat=True))
        unknown = [each for each in audience.users if each not in known]
        if unknown:
            said = ngettext(
                "Nobody knows the user %(first)s yet.",
                "Nobody knows %(n)s of the users yet, such as %(first)s.",
                len(unknown),
            )
            return [Conflict("info", said % {"n": len(unknown), "first": unknown[0]})]
    elif not EndUser.objects.in_audience(audience, within).exists():
        return [Conflict("danger", gettext("No user is in its audience, so it does nothing."))]
    return []


def _of_time(draft: Rule, now: datetime) -> list[Conflict]:
    found = []
    if draft.ends_at is not None and draft.ends_at <= now:
        found.append(Conflict("danger", gettext("Its end has passed already.")))
    running = Rule.objects.published().filter(name=draft.name).exclude(pk=draft.pk).first()
    if running is not None and draft.starts_at is not None and draft.starts_at > now and readable(running) is not None:
        said = gettext("Publishing it stops version %(version)s at once; until %(start)s neither holds.")
        found.append(
            Conflict("warning", said % {"version": running.version, "start": moment(draft.starts_at)}, running)
        )
    return found
