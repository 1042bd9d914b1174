"""Rules in words: what one does, to which items, for whom, when, and in which state it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from catalog.models import Item, Label
from recommender.models import Rule
from recommender.rule_content import RuleContent, content_of
from recommender.scopes import Audience, Scope
from recsite.operations.errors import InvalidInputError

NAMED = 3
ICONS = {"pin": "map-pin", "boost": "trending-up", "bury": "trending-down", "exclude": "ban", "cap": "stack-2"}
HISTORY_WORDS = {
    "none": gettext_lazy("without events"),
    "one": gettext_lazy("with one visit"),
    "few": gettext_lazy("with 2 to 5 visits"),
    "many": gettext_lazy("with more visits"),
}
# A strength up to this is called so.
STRENGTHS = (
    (0.4, gettext_noop("a little")),
    (0.9, gettext_noop("clearly")),
    (1.8, gettext_noop("strongly")),
    (9.0, gettext_noop("as far as it goes")),
)
STATES = {
    "running": (gettext_lazy("Running"), "player-play", "status-good"),
    "scheduled": (gettext_lazy("Scheduled"), "calendar-event", "status-running"),
    "draft": (gettext_lazy("Draft"), "pencil", "status-warn"),
    "over": (gettext_lazy("Over"), "check", ""),
    "stopped": (gettext_lazy("Stopped"), "player-stop", ""),
}


@dataclass(frozen=True)
class State:
    """key: draft, scheduled, running, over or stopped; words: with its dates."""

    key: str
    words: str

    @property
    def name(self) -> str:
        return str(STATES[self.key][0])

    @property
    def icon(self) -> str:
        return STATES[self.key][1]

    @property
    def css(self) -> str:
        return STATES[self.key][2]


@dataclass(frozen=True)
class Names:
    """Titles of items by external id and names of labels by id, for sentences; what is gone keeps its id."""

    items: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)

    def item(self, external_id: str) -> str:
        return self.items.get(external_id, external_id)

    def label(self, pk: int) -> str:
        return self.labels.get(pk, gettext("label %(id)s (gone)") % {"id": pk})


def names_of(scopes: Sequence[Scope], audiences: Sequence[Audience] = ()) -> Names:
    """A few queries for all of them, none where nothing is named. A merged label is named with what it is now."""
    items = {each for scope in scopes for each in scope.items}
    labels = {each for scope in scopes for each in scope.labels} | {i for one in audiences for i in one.interests}
    titles = dict(Item.objects.filter(external_id__in=items).values_list("external_id", "title")) if items else {}
    return Names(titles, names_of_labels(labels))


def names_of_labels(label_ids: Collection[int]) -> dict[int, str]:
    found = list(Label.objects.filter(pk__in=label_ids).with_every_name()) if label_ids else []
    merged = [each.pk for each in found if each.merged_into_id]
    into = Label.objects.all().merged_into(merged) if merged else {}
    targets = {each.pk: each for each in Label.objects.filter(pk__in=into.values()).with_every_name()} if into else {}
    return {
        each.pk: gettext("%(label)s (merged into %(target)s)")
        % {"label": each.shown_name(), "target": targets[into[each.pk]].shown_name()}
        if each.pk in into
        else each.shown_name()
        for each in found
    }


def names_of_rules(rules: Sequence[Rule]) -> Names:
    contents = [one for rule in rules if (one := readable(rule)) is not None]
    return names_of([one.scope for one in contents], [one.audience for one in contents])


def readable(rule: Rule) -> RuleContent | None:
    """None where what is stored cannot be read any more."""
    try:
        return content_of(rule)
    except InvalidInputError:
        return None


def state_of(rule: Rule, now: datetime | None = None) -> State:
    now = now or timezone.now()
    if rule.state == Rule.State.DRAFT:
        return State("draft", gettext("Draft"))
    if rule.state == Rule.State.RETIRED:
        return State("stopped", gettext("Stopped %(when)s") % {"when": moment(rule.retired_at)})
    if rule.ends_at is not None and rule.ends_at <= now:
        return State("over", gettext("Over since %(when)s") % {"when": moment(rule.ends_at)})
    if rule.starts_at is not None and rule.starts_at > now:
        return State("scheduled", gettext("Scheduled from %(when)s") % {"when": moment(rule.starts_at)})
    if rule.ends_at is not None:
        return State("running", gettext("Running until %(when)s") % {"when": moment(rule.ends_at)})
    return State("running", gettext("Running"))


def does(content: RuleContent, names: Names) -> str:
    """What it does to which items, as one sentence."""
    items = items_in_words(content.scope, names)
    strength = strength_words(content.strength)
    said = {
        "pin": gettext("Puts %(items)s at position %(position)s."),
        "boost": gettext("Raises %(items)s %(strength)s."),
        "bury": gettext("Lowers %(items)s %(strength)s."),
        "exclude": gettext("Leaves out %(items)s."),
        "cap": {
            "scope": gettext("Shows at most %(limit)s of %(items)s."),
            "brand": gettext("Shows at most %(limit)s of each brand, of %(items)s."),
            "label": gettext("Shows at most %(limit)s of each label, of %(items)s."),
        }.get(content.cap_by, ""),
    }.get(content.action, "")
    values = {"items": items, "position": content.position or "?", "strength": strength, "limit": content.limit or "?"}
    return said % values


def items_in_words(scope: Scope, names: Names | None = None) -> str:
    names = names or names_of([scope])
    said = []
    if scope.items:
        said.append(_listed([f"“{names.item(each)}”" for each in scope.items]))
    if scope.labels:
        listed = _listed([names.label(each) for each in scope.labels])
        said.append(gettext("items labelled %(labels)s") % {"labels": listed})
    if scope.brands:
        said.append(gettext("items of %(brands)s") % {"brands": _listed(list(scope.brands))})
    for low, high, words in (
        (scope.price_from, scope.price_to, gettext("priced %(range)s")),
        (scope.stock_from, scope.stock_to, gettext("with %(range)s in stock")),
    ):
        if low is not None or high is not None:
            said.append(words % {"range": _range(low, high)})
    return ", ".join(said) if said else gettext("all items")


def for_whom(audience: Audience, names: Names) -> str:
    said = []
    if audience.users:
        said.append(_listed(list(audience.users)))
    if audience.histories:
        said.append(
            gettext("users %(histories)s") % {"histories": _listed([str(HISTORY_WORDS[h]) for h in audience.histories])}
        )
    if audience.interests:
        listed = _listed([names.label(each) for each in audience.interests])
        said.append(gettext("users interested in %(labels)s") % {"labels": listed})
    for name, value in audience.attributes.items():
        said.append(gettext("users whose %(name)s is %(value)s") % {"name": name, "value": value})
    if audience.arm:
        said.append(gettext("users in the arm %(arm)s") % {"arm": audience.arm})
    return ", ".join(said) if said else gettext("everybody")


def where(placement: str) -> str:
    return gettext("on %(placement)s") % {"placement": placement} if placement else gettext("on every page")


def when(starts_at: datetime | None, ends_at: datetime | None) -> str:
    if starts_at and ends_at:
        return gettext("from %(start)s until %(end)s") % {"start": moment(starts_at), "end": moment(ends_at)}
    if starts_at:
        return gettext("from %(start)s on") % {"start": moment(starts_at)}
    return gettext("until %(end)s") % {"end": moment(ends_at)} if ends_at else gettext("without an end")


def strength_words(strength: float | None) -> str:
    if strength is None:
        return "?"
    word = next((word for most, word in STRENGTHS if strength <= most), STRENGTHS[-1][1])
    return f"{gettext(word)} ({strength:g})"


def moment(at: datetime | None) -> str:
    """In the zone of whoever reads it."""
    return date_format(timezone.localtime(at), gettext("j M Y, H:i")) if at else ""


def _range(low: object, high: object) -> str:
    if low is not None and high is not None:
        return gettext("%(low)s to %(high)s") % {"low": low, "high": high}
    if low is not None:
        return gettext("%(low)s or more") % {"low": low}
    return gettext("%(high)s or less") % {"high": high}


def _listed(words: Sequence[str]) -> str:
    """The first few; of the others how many."""
    shown = list(words[:NAMED])
    if more := len(words) - len(shown):
        shown.append(gettext("%(n)s more") % {"n": more})
    if len(shown) == 1:
        return shown[0]
    return gettext("%(several)s and %(last)s") % {"several": ", ".join(shown[:-1]), "last": shown[-1]}
