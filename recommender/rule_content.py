"""What a version of a rule says, checked: nothing that cannot work is stored as a draft, and less is published."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from django.utils.translation import gettext

from catalog.models import Item, Label
from recommender.models import Rule
from recommender.scopes import Audience, Scope, audience_from, scope_from
from recommender.slates import MAX_N
from recsite.operations.errors import InvalidInputError

LEAST_STRENGTH, MOST_STRENGTH = 0.1, 5.0
MOST_PRIORITY = 30_000
LONGEST_NAME, LONGEST_NOTE, LONGEST_PLACEMENT = 100, 300, 100
RESERVED_NAMES = ("new", "golden")  # they stand in addresses of pages
NAMED_IN_AN_ERROR = 5
PIN, BOOST, BURY, EXCLUDE, CAP = (
    Rule.Action.PIN,
    Rule.Action.BOOST,
    Rule.Action.BURY,
    Rule.Action.EXCLUDE,
    Rule.Action.CAP,
)


class InvalidRuleError(InvalidInputError):
    """`errors`: what is wrong, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class RuleContent:
    """Everything in which two versions of a rule may differ."""

    action: str = "boost"
    scope: Scope = field(default_factory=Scope)
    audience: Audience = field(default_factory=Audience)
    placement: str = ""
    position: int | None = None
    strength: float | None = None
    limit: int | None = None
    cap_by: str = Rule.CapBy.SCOPE.value
    priority: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    note: str = ""

    def as_columns(self) -> dict[str, object]:
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**found, "scope": self.scope.as_json(), "audience": self.audience.as_json()}

    def as_rule(self, name: str, *, pk: int | None = None, version: int = 1) -> Rule:
        """A rule that is not stored, for previews."""
        return Rule(pk=pk, name=name, version=version, **self.as_columns())


def content_of(rule: Rule) -> RuleContent:
    """Raises InvalidInputError where what is stored cannot be read any more."""
    found = {each.name: getattr(rule, each.name) for each in fields(RuleContent)}
    return RuleContent(**{**found, "scope": scope_from(rule.scope), "audience": audience_from(rule.audience)})


def checked(content: RuleContent) -> RuleContent:
    """The content with what its action does not use left out. One query for its items, one for its labels.

    Raises InvalidRuleError with what is wrong, by field.
    """
    errors: dict[str, str] = {}
    action = content.action
    if action not in Rule.Action.values:
        errors["action"] = gettext("Choose what the rule does: %(choices)s.") % {
            "choices": ", ".join(str(each.label) for each in Rule.Action)
        }
    if content.scope.is_everything and not (action == CAP and content.cap_by != Rule.CapBy.SCOPE):
        errors["scope"] = gettext("Say which items it is about: some items, a label, a brand, a price or stock.")
    if action == PIN and not _is_within(content.position, 1, MAX_N):
        errors["position"] = gettext("A pin needs a position, from 1 to %(most)s.") % {"most": MAX_N}
    if action in (BOOST, BURY) and not _is_within(content.strength, LEAST_STRENGTH, MOST_STRENGTH):
        errors["strength"] = gettext("A boost or bury needs a strength, from %(least)s to %(most)s.") % {
            "least": LEAST_STRENGTH,
            "most": int(MOST_STRENGTH),
        }
    if action == CAP and not _is_within(content.limit, 1, MAX_N):
        errors["limit"] = gettext("A cap needs a limit, from 1 to %(most)s.") % {"most": MAX_N}
    if content.cap_by not in Rule.CapBy.values:
        errors["cap_by"] = gettext("Choose what the cap counts.")
    if not _is_within(content.priority, -MOST_PRIORITY, MOST_PRIORITY):
        errors["priority"] = gettext("The priority lies between %(least)s and %(most)s.") % {
            "least": -MOST_PRIORITY,
            "most": MOST_PRIORITY,
        }
    if content.starts_at and content.ends_at and content.ends_at <= content.starts_at:
        errors["ends_at"] = gettext("It ends before it starts; choose a later end.")
    for name, text, most in (("note", content.note, LONGEST_NOTE), ("placement", content.placement, LONGEST_PLACEMENT)):
        if len(text) > most:
            errors[name] = gettext("It has %(n)s characters; at most %(most)s fit.") % {"n": len(text), "most": most}
    errors |= _missing(content)
    if errors:
        raise InvalidRuleError(errors)
    return replace(
        content,
        position=content.position if action == PIN else None,
        strength=content.strength if action in (BOOST, BURY) else None,
        limit=content.limit if action == CAP else None,
        cap_by=content.cap_by if action == CAP else Rule.CapBy.SCOPE.value,
    )


def checked_name(name: str) -> str:
    """As it may stand in an address. Raises InvalidRuleError."""
    name = " ".join(name.split())
    wrong = ""
    if not name:
        wrong = gettext("Give the rule a name.")
    elif len(name) > LONGEST_NAME:
        wrong = gettext("The name has %(n)s characters; at most %(most)s fit.") % {"n": len(name), "most": LONGEST_NAME}
    elif re.search(r"[/\\\x00-\x1f]", name) or not name.strip("."):
        wrong = gettext("A name holds no slash or control character and is more than dots.")
    elif name.lower() in RESERVED_NAMES:
        wrong = gettext("“%(name)s” is the name of a page; choose another.") % {"name": name}
    if wrong:
        raise InvalidRuleError({"name": wrong})
    return name


def _is_within(value: float | None, least: float, most: float) -> bool:
    return value is not None and math.isfinite(value) and least <= value <= most


def _missing(content: RuleContent) -> dict[str, str]:
    """Which items and labels that are named do not exist."""
    errors: dict[str, str] = {}
    if content.scope.items:
        there = set(Item.objects.filter(external_id__in=content.scope.items).values_list("external_id", flat=True))
        if gone := [each for each in content.scope.items if each not in there]:
            errors["items"] = gettext("No item has the id %(ids)s; take it out.") % {"ids": _listed(gone)}
    labels = {*content.scope.labels, *content.audience.interests}
    known = set(Label.objects.filter(pk__in=labels).values_list("pk", flat=True)) if labels else set()
    for name, ids in (("labels", content.scope.labels), ("interests", content.audience.interests)):
        if gone := [str(each) for each in ids if each not in known]:
            errors[name] = gettext("No label has the id %(ids)s any more; take it out.") % {"ids": _listed(gone)}
    return errors


def _listed(values: Sequence[str]) -> str:
    shown = ", ".join(f"“{each}”" for each in values[:NAMED_IN_AN_ERROR])
    return shown + (" …" if len(values) > NAMED_IN_AN_ERROR else "")
