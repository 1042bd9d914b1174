"""What staff expect of golden users' lists: add, change, switch off and on, delete, bring back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from catalog.models import Item, Label
from recommender.golden import check_and_note, checked, sentence
from recommender.models import GoldenExpectation
from recommender.rule_words import names_of
from recommender.scopes import Scope, scope_from
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.recreation import insert

log = structlog.get_logger(__name__)

COLUMNS = ("user_external_id", "kind", "scope", "least", "n", "placement", "note", "is_active")
MOST_ACTIVE = 500


@dataclass(frozen=True)
class ExpectationRow:
    expectation: GoldenExpectation
    words: str
    state: str  # met, broken, unknown or off


def rows() -> list[ExpectationRow]:
    """Broken ones first, then by user. Three queries."""
    found = list(GoldenExpectation.objects.order_by("-is_active", "is_met", "user_external_id", "pk"))
    names = names_of([scope_from(each.scope) for each in found])
    listed = [ExpectationRow(each, sentence(each, names), _state(each)) for each in found]
    rank = {"broken": 0, "unknown": 1, "met": 2, "off": 3}
    return sorted(listed, key=lambda row: rank[row.state])


@transaction.atomic
def store(values: Mapping[str, object], *, pk: int | None = None, staff: User) -> GoldenExpectation:
    """A new one, or `pk` with other values; what was found of it is checked anew. Raises InvalidInputError."""
    expectation = _expectation(pk) if pk is not None else GoldenExpectation(created_by=staff)
    for name in COLUMNS:
        if name in values:
            setattr(expectation, name, values[name])
    _require_possible(expectation)
    expectation.is_met, expectation.finding, expectation.checked_at = None, "", None
    expectation.save()
    _check_now(expectation)
    log.info("golden_expectation_stored", expectation=expectation.pk, staff=staff.pk)
    return expectation


@transaction.atomic
def put_back(expectation: GoldenExpectation, *, staff: User) -> GoldenExpectation:
    """One that was deleted, under its id, and checked anew. Raises InvalidInputError as `store`."""
    _require_possible(expectation)
    insert(expectation)
    _check_now(expectation)
    log.info("golden_expectation_put_back", expectation=expectation.pk, staff=staff.pk)
    return expectation


@transaction.atomic
def switch(pk: int, *, is_active: bool, staff: User) -> GoldenExpectation:
    return store({"is_active": is_active}, pk=pk, staff=staff)


@transaction.atomic
def delete(pk: int, *, staff: User) -> dict[str, object]:
    """Returns what brings it back with `store`."""
    expectation = _expectation(pk)
    values = {name: getattr(expectation, name) for name in COLUMNS}
    expectation.delete()
    log.info("golden_expectation_deleted", expectation=pk, staff=staff.pk)
    return values


def words_of(expectation: GoldenExpectation) -> str:
    return sentence(expectation, names_of([scope_from(expectation.scope)]))


def _state(expectation: GoldenExpectation) -> str:
    if not expectation.is_active:
        return "off"
    return {True: "met", False: "broken", None: "unknown"}[expectation.is_met]


def _expectation(pk: int) -> GoldenExpectation:
    found = GoldenExpectation.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise NotFoundError(gettext("This expectation does not exist any more: somebody deleted it."))
    return found


def _require_possible(expectation: GoldenExpectation) -> None:
    checked(expectation)
    _refuse_missing(scope_from(expectation.scope))
    others = GoldenExpectation.objects.active().exclude(pk=expectation.pk).count()
    if expectation.is_active and others >= MOST_ACTIVE:
        raise InvalidInputError(gettext("There are %(n)s active ones; switch one off first.") % {"n": others})


def _check_now(expectation: GoldenExpectation) -> None:
    if expectation.is_active:
        check_and_note([expectation])
        expectation.refresh_from_db()


def _refuse_missing(scope: Scope) -> None:
    there = set(Item.objects.filter(external_id__in=scope.items).values_list("external_id", flat=True))
    if gone := [each for each in scope.items if each not in there]:
        raise InvalidInputError(gettext("No item has the id “%(id)s”.") % {"id": gone[0]})
    known: Sequence[int] = list(Label.objects.filter(pk__in=scope.labels).values_list("pk", flat=True))
    if lost := [each for each in scope.labels if each not in known]:
        raise InvalidInputError(gettext("No label has the id %(id)s.") % {"id": lost[0]})
