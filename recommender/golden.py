"""Golden users: what their lists must always satisfy, checked on the lists they would get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from django.contrib.auth.models import User
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext

from catalog.models import Label
from recommender import rules as list_rules
from recommender.models import GoldenExpectation, Rule, Strategy
from recommender.rule_words import Names, items_in_words
from recommender.scopes import ItemFacts, Scope, holds, scope_from
from recommender.slates import Question, compute
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

CHECKED_AT_ONCE = 20  # more of them by a job
SHOWN_IN_A_REFUSAL = 3
LONGEST_FINDING = 300


@dataclass(frozen=True)
class Shown:
    """An item of a list that an expectation is about."""

    position: int
    external_id: str
    title: str


@dataclass(frozen=True)
class Finding:
    """shown: the items of the list that it is about, at most 100."""

    expectation: GoldenExpectation
    is_met: bool
    words: str
    shown: tuple[Shown, ...] = ()


class GoldenBrokenError(ConflictError):
    """`findings`: what would not hold any more."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        said = [f"{sentence(each.expectation)} {each.words}" for each in findings[:SHOWN_IN_A_REFUSAL]]
        more = len(findings) - len(said)
        if more:
            said.append(ngettext("And %(n)s more.", "And %(n)s more.", more) % {"n": more})
        first = gettext("Refused: it would break what must hold for golden users.")
        super().__init__(" ".join([first, *said]))
        self.findings = tuple(findings)


@dataclass(frozen=True)
class _List:
    """Facts of the items of one list, in order, with their titles and the label each is shown under."""

    facts: tuple[ItemFacts, ...] = ()
    titles: tuple[str, ...] = ()
    top_labels: tuple[int | None, ...] = field(default=())


def check(
    expectations: Sequence[GoldenExpectation],
    *,
    rules: Sequence[Rule] | None = None,
    strategy: Strategy | None = None,
    on_checked: Callable[[Finding], None] | None = None,
) -> list[Finding]:
    """What the lists of these users would come to; nothing is stored.

    rules: of all placements, instead of those in force. strategy: instead of the one that serves the user. The language
    model is not asked: it only reorders a list, and no expectation asks for an order.
    """
    scopes = {each.pk: scope_from(each.scope) for each in expectations}
    roots = sorted({label for scope in scopes.values() for label in scope.labels})
    within = Label.objects.all().branches(roots) if roots else {}
    lists: dict[tuple[str, int, str], _List] = {}
    found = []
    for each in expectations:
        key = (each.user_external_id, each.n, each.placement)
        if key not in lists:
            lists[key] = _list_of(*key, rules=rules, strategy=strategy)
        finding = _finding(each, scopes[each.pk], lists[key], within)
        if on_checked:
            on_checked(finding)
        found.append(finding)
    return found


def broken_by(
    after: Sequence[Rule] | None = None, before: Sequence[Rule] | None = None, *, strategy: Strategy | None = None
) -> list[Finding]:
    """Expectations that hold by what serves now (or by the rules `before`) and would not any more."""
    failing = [
        each
        for each in check(list(GoldenExpectation.objects.active()), rules=after, strategy=strategy)
        if not each.is_met
    ]
    if not failing:
        return []
    now = check([each.expectation for each in failing], rules=before)
    return [each for each, was in zip(failing, now, strict=True) if was.is_met]


def refuse_broken(
    after: Sequence[Rule] | None = None, before: Sequence[Rule] | None = None, *, strategy: Strategy | None = None
) -> None:
    """Raises GoldenBrokenError where `broken_by` finds something."""
    if broken := broken_by(after, before, strategy=strategy):
        raise GoldenBrokenError(broken)


def check_and_note(
    expectations: Sequence[GoldenExpectation], *, on_checked: Callable[[Finding], None] | None = None
) -> list[Finding]:
    """Check what serves now and keep what was found on each, in English: pages show it in their reader's language."""

    def note(finding: Finding) -> None:
        GoldenExpectation.objects.filter(pk=finding.expectation.pk).update(
            is_met=finding.is_met, finding=finding.words[:LONGEST_FINDING], checked_at=timezone.now()
        )
        if on_checked:
            on_checked(finding)

    with translation.override("en"):
        found = check(expectations, on_checked=note)
    broken = sum(not each.is_met for each in found)
    log.info("golden_users_checked", expectations=len(found), broken=broken)
    return found


def request_check(*, staff: User | None = None) -> Job | None:
    """Check all active ones by a job; None where one is waiting or running already."""
    if Job.objects.active().filter(kind="check_golden_users").exists():
        return None
    job = jobs.create("check_golden_users", "Check golden users", started_by=staff)
    jobs.ring(job)
    return job


def run(progress: jobs.Progress) -> None:
    """The job's work: broken ones are counted as its rejected rows."""
    expectations = list(GoldenExpectation.objects.active())
    progress.start(len(expectations), message="Checking golden users")
    check_and_note(expectations, on_checked=lambda finding: progress.advance(rejected=int(not finding.is_met)))


def check_nightly() -> Job | None:
    """Rung by beat; where nothing is expected there is no job."""
    return request_check() if GoldenExpectation.objects.active().exists() else None


def checked(expectation: GoldenExpectation) -> GoldenExpectation:
    """As it may be stored. Raises InvalidInputError."""
    scope = scope_from(expectation.scope)
    kinds = GoldenExpectation.Kind
    if not expectation.user_external_id.strip() or len(expectation.user_external_id) > 200:
        raise InvalidInputError(gettext("Name the golden user: an id of 1 to 200 characters."))
    if expectation.kind not in kinds.values:
        raise InvalidInputError(gettext("Choose what must hold."))
    if scope.is_everything and expectation.kind in (kinds.NEVER, kinds.SHOWS):
        raise InvalidInputError(gettext("Say which items it is about: some items, a label, a brand, a price or stock."))
    if not 1 <= expectation.n <= 100:
        raise InvalidInputError(gettext("The list has 1 to 100 places."))
    if expectation.kind == kinds.NEVER:
        expectation.least = 1
    elif not 1 <= expectation.least <= expectation.n:
        raise InvalidInputError(
            gettext("At least %(least)s of %(n)s cannot be; choose 1 to %(n)s.")
            % {"least": expectation.least, "n": expectation.n}
        )
    if len(expectation.note) > 300 or len(expectation.placement) > 100:
        raise InvalidInputError(gettext("The note or the placement is too long."))
    return expectation


def sentence(expectation: GoldenExpectation, names: Names | None = None) -> str:
    """In words: "household-42: never items labelled Alcohol in the first 10."."""
    items = items_in_words(scope_from(expectation.scope), names)
    said = {
        "never": gettext("%(user)s: never %(items)s in the first %(n)s."),
        "shows": gettext("%(user)s: at least %(least)s of %(items)s in the first %(n)s."),
        "brands": gettext("%(user)s: at least %(least)s brands in the first %(n)s."),
        "labels": gettext("%(user)s: at least %(least)s labels in the first %(n)s."),
    }[expectation.kind]
    values = {"user": expectation.user_external_id, "items": items, "n": expectation.n, "least": expectation.least}
    return said % values


def _list_of(
    user_external_id: str, n: int, placement: str, *, rules: Sequence[Rule] | None, strategy: Strategy | None
) -> _List:
    asked = None if rules is None else list_rules.at_placement(rules, placement)
    computed = compute(Question(user_external_id, n, placement), strategy=strategy, rules=asked)
    pool, places = computed.pool, list(computed.picked.places)
    facts = list_rules.facts_of(pool)
    return _List(
        facts=tuple(facts[place] for place in places),
        titles=tuple(pool.titles[place] for place in places),
        top_labels=tuple(pool.top_label(place) for place in places),
    )


def _finding(
    expectation: GoldenExpectation, scope: Scope, found: _List, within: Mapping[int, frozenset[int]]
) -> Finding:
    places = [place for place, facts in enumerate(found.facts) if holds(scope, facts, within)]
    shown = tuple(Shown(place + 1, found.facts[place].external_id, found.titles[place]) for place in places)
    kinds, least = GoldenExpectation.Kind, expectation.least
    if expectation.kind == kinds.NEVER:
        if not shown:
            return Finding(expectation, True, gettext("None of them is shown."))
        first = {"title": shown[0].title[:80], "position": shown[0].position, "n": len(shown)}
        said = ngettext(
            "“%(title)s” is shown at position %(position)s.",
            "%(n)s of them are shown, “%(title)s” at position %(position)s.",
            len(shown),
        )
        return Finding(expectation, False, said % first, shown)
    if expectation.kind == kinds.SHOWS:
        said = ngettext("%(n)s of them is shown.", "%(n)s of them are shown.", len(shown)) % {"n": len(shown)}
        return Finding(expectation, len(shown) >= least, said, shown)
    if expectation.kind == kinds.BRANDS:
        n = len({found.facts[place].brand.lower() for place in places} - {""})
        return Finding(expectation, n >= least, ngettext("%(n)s brand.", "%(n)s brands.", n) % {"n": n}, shown)
    n = len({found.top_labels[place] for place in places} - {None})
    return Finding(expectation, n >= least, ngettext("%(n)s label.", "%(n)s labels.", n) % {"n": n}, shown)
