"""The form of a rule: what stands in it, what was typed, and what is wrong with that. Nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Item, Label
from recommender.rule_content import InvalidRuleError, RuleContent, checked, checked_name
from recommender.scopes import MOST_VALUES, Audience, Scope, audience_from, scope_from
from recsite.operations.errors import InvalidInputError

LONGEST_TEXT = 10_000
TEXTS = (
    *("name", "action", "price_from", "price_to", "stock_from", "stock_to", "attributes", "arm", "placement"),
    *("position", "strength", "limit", "cap_by", "priority", "starts_at", "ends_at", "note"),
)
LISTS = ("items", "labels", "brands", "users", "histories", "interests")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Choice:
    """Something picked; is_there: False where the item or label is gone."""

    value: str
    words: str
    is_there: bool = True


@dataclass(frozen=True)
class RuleForm:
    """texts: what stands in each input. content: None where something is wrong; `errors` says what, by field."""

    texts: Mapping[str, str]
    picked: Mapping[str, tuple[Choice, ...]]
    errors: Mapping[str, str] = field(default_factory=dict)
    content: RuleContent | None = None

    @property
    def name(self) -> str:
        return self.texts.get("name", "")

    @property
    def items_error(self) -> str:
        """A template takes `errors.items` for the method where no error has that name."""
        return self.errors.get("items", "")

    @property
    def histories(self) -> list[str]:
        return [each.value for each in self.picked.get("histories", ())]


def form_of(content: RuleContent, name: str) -> RuleForm:
    """The form as it is opened. Two queries at most."""
    scope, audience = content.scope, content.audience
    texts = {
        "name": name,
        "action": content.action,
        "price_from": _plain(scope.price_from),
        "price_to": _plain(scope.price_to),
        "stock_from": _plain(scope.stock_from),
        "stock_to": _plain(scope.stock_to),
        "attributes": "\n".join(f"{key} = {value}" for key, value in audience.attributes.items()),
        "arm": audience.arm,
        "placement": content.placement,
        "position": _plain(content.position),
        "strength": "" if content.strength is None else f"{content.strength:g}",
        "limit": _plain(content.limit),
        "cap_by": content.cap_by,
        "priority": str(content.priority),
        "starts_at": _local(content.starts_at),
        "ends_at": _local(content.ends_at),
        "note": content.note,
    }
    lists: dict[str, list[str]] = {
        "items": list(scope.items),
        "labels": [str(each) for each in scope.labels],
        "brands": list(scope.brands),
        "users": list(audience.users),
        "histories": list(audience.histories),
        "interests": [str(each) for each in audience.interests],
    }
    return RuleForm(texts, _picked(lists), content=content)


def scope_form(sent: QueryDict) -> RuleForm:
    """What was typed, as it was typed, without a look at what it means."""
    texts, _, picked = _typed(sent)
    return RuleForm(texts, picked)


def golden_values(sent: QueryDict) -> dict[str, object]:
    """Columns of an expectation as the form of golden users sends them. Raises InvalidRuleError."""
    texts, lists, _ = _typed(sent)
    errors: dict[str, str] = {}
    scope = _content(texts, lists, errors).scope
    found: dict[str, object] = {
        name: sent.get(name, "").replace("\x00", "").strip()
        for name in ("user_external_id", "kind", "placement", "note")
    }
    for name, usual in (("least", 1), ("n", 10)):
        text = sent.get(name, "").strip() or str(usual)
        if not (text.isascii() and text.isdecimal() and len(text) < 5):
            errors[name] = gettext("“%(written)s” is no whole number.") % {"written": text[:40]}
            continue
        found[name] = int(text)
    if errors:
        raise InvalidRuleError(errors)
    return {**found, "scope": scope.as_json()}


def form_from(sent: QueryDict) -> RuleForm:
    """The form as it was typed, each error at its field."""
    texts, lists, picked = _typed(sent)
    form = RuleForm(texts, picked)
    errors: dict[str, str] = {}
    content = _content(texts, lists, errors)
    try:
        checked_name(texts["name"])
    except InvalidRuleError as refused:
        errors |= refused.errors
    try:
        content = checked(content)
    except InvalidRuleError as refused:
        errors = {**refused.errors, **errors}
    return replace(form, errors=errors, content=None if errors else content)


def _typed(sent: QueryDict) -> tuple[dict[str, str], dict[str, list[str]], dict[str, tuple[Choice, ...]]]:
    """Texts, lists, and these with the words they are shown by."""
    texts = {name: sent.get(name, "").replace("\x00", "").strip()[:LONGEST_TEXT] for name in TEXTS}
    lists = {
        name: [each.replace("\x00", "")[:200] for each in dict.fromkeys(sent.getlist(name)) if each.strip()]
        for name in LISTS
    }
    lists = {name: each[: MOST_VALUES + 1] for name, each in lists.items()}
    return texts, lists, _picked(lists)


def _content(texts: Mapping[str, str], lists: Mapping[str, list[str]], errors: dict[str, str]) -> RuleContent:
    """As far as it can be read; what cannot is told in `errors`."""

    def read(name: str, reading: Callable[[str], Value]) -> Value | None:
        if not texts[name]:
            return None
        try:
            return reading(texts[name])
        except (ValueError, InvalidOperation, OverflowError):
            errors[name] = gettext("“%(written)s” cannot be read here.") % {"written": texts[name][:40]}
            return None

    scope, audience = Scope(), Audience()
    try:
        scope = scope_from(
            {
                "items": lists["items"],
                "labels": [int(each) for each in lists["labels"] if _is_key(each)],
                "brands": lists["brands"],
                "price_from": read("price_from", _decimal),
                "price_to": read("price_to", _decimal),
                "stock_from": read("stock_from", int),
                "stock_to": read("stock_to", int),
            }
        )
    except InvalidInputError as refused:
        errors["scope"] = refused.message
    try:
        audience = audience_from(
            {
                "users": lists["users"],
                "histories": lists["histories"],
                "interests": [int(each) for each in lists["interests"] if _is_key(each)],
                "attributes": _attributes(texts["attributes"], errors),
                "arm": texts["arm"],
            }
        )
    except InvalidInputError as refused:
        errors["audience"] = refused.message
    return RuleContent(
        action=texts["action"],
        scope=scope,
        audience=audience,
        placement=texts["placement"],
        position=read("position", int),
        strength=read("strength", lambda text: float(text.replace(",", "."))),
        limit=read("limit", int),
        cap_by=texts["cap_by"] or "scope",
        priority=read("priority", int) or 0,
        starts_at=read("starts_at", _moment),
        ends_at=read("ends_at", _moment),
        note=" ".join(texts["note"].split()),
    )


def _picked(lists: Mapping[str, list[str]]) -> dict[str, tuple[Choice, ...]]:
    labels = {int(each) for name in ("labels", "interests") for each in lists[name] if _is_key(each)}
    titles = (
        dict(Item.objects.filter(external_id__in=lists["items"]).values_list("external_id", "title"))
        if lists["items"]
        else {}
    )
    paths = _paths(labels)
    found = {name: tuple(Choice(each, each) for each in lists[name]) for name in ("brands", "users", "histories")}
    found["items"] = tuple(Choice(each, titles.get(each, each), each in titles) for each in lists["items"])
    for name in ("labels", "interests"):
        keys = [int(each) for each in lists[name] if _is_key(each)]
        found[name] = tuple(Choice(str(key), paths.get(key, str(key)), key in paths) for key in keys)
    return found


def _paths(label_ids: Collection[int]) -> dict[int, str]:
    """Of a merged label with what it is now."""
    if not label_ids:
        return {}
    into = Label.objects.all().merged_into(list(label_ids))
    paths = dict(Label.objects.filter(pk__in=[*label_ids, *into.values()]).values_list("pk", "path"))
    said = gettext("%(label)s (merged into %(target)s)")
    return {
        pk: said % {"label": paths[pk], "target": paths[into[pk]]} if pk in into else paths[pk]
        for pk in label_ids
        if pk in paths
    }


def _attributes(text: str, errors: dict[str, str]) -> dict[str, str]:
    """A line each: name = value."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip() or not value.strip():
            errors["attributes"] = gettext("“%(line)s” is no attribute; write a line like: country = DE.") % {
                "line": line[:40]
            }
        else:
            found[name.strip()] = value.strip()
    return found


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def _moment(text: str) -> datetime:
    """As it was typed in the reader's zone."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else timezone.make_aware(read)


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M}" if at else ""


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18
