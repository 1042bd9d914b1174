"""Which items and which users something is about, as rules, golden users and filters say it. Asks no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext

from recsite.operations.errors import InvalidInputError

MOST_VALUES = 200
HISTORIES = ("none", "one", "few", "many")


@dataclass(frozen=True)
class Scope:
    """Items for which everything named holds; within a field any of its values does. Nothing named: every item.

    items: external ids; labels: ids, those below them included; both ends of a range belong to it. An item without a
    price, or whose stock nobody told, is in no range of it.
    """

    items: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    brands: tuple[str, ...] = ()
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    stock_from: int | None = None
    stock_to: int | None = None

    @property
    def is_everything(self) -> bool:
        return self == Scope()

    def as_json(self) -> dict[str, object]:
        """Only what is named; prices as text, so that no digit is lost."""
        return {
            each.name: _as_json(value)
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None and value != ()
        }


@dataclass(frozen=True)
class Audience:
    """Users for whom everything named holds; nothing named: everybody.

    users: external ids; histories: lengths of history, as weights are fitted by; interests: ids of labels they are
    interested in, those below them included; attributes: the user's own, each equal to this text; arm: experiment and
    arm, "checkout test/b".
    """

    users: tuple[str, ...] = ()
    histories: tuple[str, ...] = ()
    interests: tuple[int, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    arm: str = ""

    @property
    def is_everybody(self) -> bool:
        return self == Audience()

    def as_json(self) -> dict[str, object]:
        return {each.name: _as_json(value) for each in fields(self) if (value := getattr(self, each.name))}


@dataclass(frozen=True)
class ItemFacts:
    """What a scope asks of an item; labels: ids of those it counts as having."""

    external_id: str
    brand: str
    price: Decimal | None
    stock: int | None
    labels: frozenset[int] = frozenset()


def holds(scope: Scope, facts: ItemFacts, within: Mapping[int, frozenset[int]]) -> bool:
    """Whether the item is in the scope; within: label id -> itself and the ids of all below it."""
    return (
        (not scope.items or facts.external_id in scope.items)
        and (not scope.labels or any(facts.labels & within.get(root, frozenset({root})) for root in scope.labels))
        and (not scope.brands or facts.brand.lower() in {brand.lower() for brand in scope.brands})
        and _is_between(facts.price, scope.price_from, scope.price_to)
        and _is_between(facts.stock, scope.stock_from, scope.stock_to)
    )


def scope_from(values: Mapping[str, object]) -> Scope:
    """A checked scope. Raises InvalidInputError that names the field which is unknown or wrong."""
    given = _checked("scope", values, Scope)
    scope = Scope(
        items=_texts("scope.items", given.get("items")),
        labels=_ids("scope.labels", given.get("labels")),
        brands=_texts("scope.brands", given.get("brands")),
        price_from=_price("scope.price_from", given.get("price_from")),
        price_to=_price("scope.price_to", given.get("price_to")),
        stock_from=_count("scope.stock_from", given.get("stock_from")),
        stock_to=_count("scope.stock_to", given.get("stock_to")),
    )
    for name in ("price", "stock"):
        low, high = getattr(scope, f"{name}_from"), getattr(scope, f"{name}_to")
        if low is not None and high is not None and low > high:
            said = (
                gettext("The scope's price runs from %(low)s to %(high)s; swap the two.")
                if name == "price"
                else gettext("The scope's stock runs from %(low)s to %(high)s; swap the two.")
            )
            raise InvalidInputError(said % {"low": low, "high": high})
    return scope


def audience_from(values: Mapping[str, object]) -> Audience:
    """A checked audience. Raises InvalidInputError that names the field which is unknown or wrong."""
    given = _checked("audience", values, Audience)
    histories = _texts("audience.histories", given.get("histories"))
    if unknown := [each for each in histories if each not in HISTORIES]:
        raise InvalidInputError(
            gettext("There is no history %(name)r; use %(known)s.")
            % {"name": unknown[0], "known": ", ".join(HISTORIES)}
        )
    attributes = given.get("attributes") or {}
    if not isinstance(attributes, Mapping) or not all(isinstance(value, str) for value in attributes.values()):
        raise InvalidInputError(gettext('The audience\'s attributes must be texts, like {"country": "DE"}.'))
    arm = given.get("arm") or ""
    if not isinstance(arm, str) or (arm and not all(arm.rpartition("/")[::2])):
        raise InvalidInputError(
            gettext("The audience's arm is %(arm)r; write the experiment and its arm, like 'prices/b'.") % {"arm": arm}
        )
    return Audience(
        users=_texts("audience.users", given.get("users")),
        histories=histories,
        interests=_ids("audience.interests", given.get("interests")),
        attributes={str(name): value for name, value in attributes.items()},
        arm=arm,
    )


def _checked(what: str, values: object, kind: type) -> Mapping[str, object]:
    known = [each.name for each in fields(kind)]
    if not isinstance(values, Mapping):
        raise InvalidInputError(
            gettext("A %(what)s must be an object with any of %(known)s.") % {"what": what, "known": ", ".join(known)}
        )
    if unknown := sorted(set(values) - set(known)):
        raise InvalidInputError(
            gettext("A %(what)s has no field %(name)r; it has %(known)s.")
            % {"what": what, "name": unknown[0], "known": ", ".join(known)}
        )
    return values


def _many(name: str, value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInputError(gettext("%(name)s must be a list.") % {"name": name})
    found = list(dict.fromkeys(value))
    if len(found) > MOST_VALUES:
        raise InvalidInputError(
            gettext("%(name)s names %(n)s values; %(most)s at most. Use a label or a brand.")
            % {"name": name, "n": len(found), "most": MOST_VALUES}
        )
    return found


def _texts(name: str, value: object) -> tuple[str, ...]:
    found = _many(name, value)
    for each in found:
        if not isinstance(each, str) or not each.strip() or len(each) > 200 or "\x00" in each:
            raise InvalidInputError(
                gettext("%(name)s holds %(each)r; it takes texts of 1 to 200 characters.")
                % {"name": name, "each": each}
            )
    return tuple(str(each).strip() for each in found)


def _ids(name: str, value: object) -> tuple[int, ...]:
    found = _many(name, value)
    for each in found:
        if not isinstance(each, int) or isinstance(each, bool) or not 0 < each < 2**63:
            raise InvalidInputError(
                gettext("%(name)s holds %(each)r; it takes ids, whole numbers above 0.") % {"name": name, "each": each}
            )
    return tuple(each for each in found if isinstance(each, int))


def _price(name: str, value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if isinstance(value, bool) or not price.is_finite() or not 0 <= price < Decimal(10) ** 10:
        raise InvalidInputError(
            gettext("%(name)s is %(value)r; it takes an amount like 12.99.") % {"name": name, "value": value}
        )
    return price


def _count(name: str, value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise InvalidInputError(
            gettext("%(name)s is %(value)r; it takes a whole number from 0 on.") % {"name": name, "value": value}
        )
    return value


def _is_between(value: Decimal | int | None, low: Decimal | int | None, high: Decimal | int | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
