"""Why two answers to one question differ: what is recorded of both, compared, each difference a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext

from recommender.audit import rules_of, scope_in_words
from recommender.models import Rule, Slate
from recommender.slate_versions import heads_in_words
from recommender.templatetags.scores import source_name
from recommender.why_not_words import address_of
from recsite.operations.templatetags.console import clock, day, number


@dataclass(frozen=True)
class Recorded:
    """What is known of how a list came about. rules: id -> as a slate keeps it; explored: items drawn to explore."""

    user: str
    n: int
    placement: str
    request: Mapping[str, Any]
    arm: str
    versions: Mapping[str, Any]
    rules: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    explored: frozenset[int] = frozenset()
    was_reranked: bool = False


@dataclass(frozen=True)
class Cause:
    """kind: a stable key; words: one sentence; address: where to look."""

    kind: str
    words: str
    address: str = ""


def recorded(slate: Slate) -> Recorded:
    """slate: with its items."""
    return Recorded(
        user=slate.user_external_id,
        n=slate.n,
        placement=slate.placement,
        request=slate.request,
        arm=slate.arm,
        versions=slate.versions,
        rules={int(rule.get("id") or 0): rule for rule in rules_of(slate)},
        explored=frozenset(row.item_id for row in slate.items.all() if row.propensity is not None),
        was_reranked=was_reranked(slate.details.get("rerank")),
    )


def was_reranked(details: object) -> bool:
    return isinstance(details, Mapping) and bool(details.get("shares"))


def causes_between(before: Recorded, after: Recorded) -> list[Cause]:
    """What differs, what was asked first. At most one query."""
    found = [*_asked(before, after), *_strategies(before, after), *_data(before.versions, after.versions)]
    found += _rules(before, after)
    if before.explored != after.explored:
        found.append(Cause("exploring", gettext("Other items were drawn to explore.")))
    if before.was_reranked != after.was_reranked:
        words = (
            gettext("The language model reordered the first list only.")
            if before.was_reranked
            else gettext("The language model reordered the second list only.")
        )
        found.append(Cause("language_model", words))
    return found


def _asked(before: Recorded, after: Recorded) -> list[Cause]:
    found = []
    if before.user != after.user:
        words = gettext("The lists are of two users, %(a)s and %(b)s.") % {"a": before.user, "b": after.user}
        found.append(Cause("user", words))
    if before.n != after.n:
        found.append(Cause("n", gettext("%(a)s items were asked for, then %(b)s.") % {"a": before.n, "b": after.n}))
    if before.placement != after.placement:
        none = gettext("none")
        words = gettext("The placement was %(a)s, then %(b)s.")
        found.append(Cause("placement", words % {"a": before.placement or none, "b": after.placement or none}))
    if before.request.get("repeats") != after.request.get("repeats"):
        found.append(Cause("repeats", gettext("Repeats were asked for differently.")))
    own, other = (each.request.get("within") or {} for each in (before, after))
    if own != other:
        words = gettext("The filter was “%(a)s”, then “%(b)s”.")
        found.append(Cause("filter", words % {"a": scope_in_words(own), "b": scope_in_words(other)}))
    if before.arm != after.arm:
        none = gettext("none")
        words = gettext("The arm of an experiment was %(a)s, then %(b)s.")
        found.append(Cause("arm", words % {"a": before.arm or none, "b": after.arm or none}))
    return found


def _strategies(before: Recorded, after: Recorded) -> list[Cause]:
    a, b = before.versions, after.versions
    found = []
    if _differs(a, b, "strategy"):
        name = str(b["strategy"]).rsplit(" v", 1)[0]
        words = gettext("The strategy was %(a)s, then %(b)s.") % {"a": a["strategy"], "b": b["strategy"]}
        found.append(Cause("strategy", words, address_of("strategy", name)))
    if _differs(a, b, "fit"):
        own = gettext("the recipe's own weights")
        fits = {
            key: gettext("fit %(id)s") % {"id": v["fit"]} if v["fit"] else own for key, v in {"a": a, "b": b}.items()
        }
        found.append(Cause("fit", gettext("The weights were those of %(a)s, then of %(b)s.") % fits))
    digests, others = a.get("sources") or {}, b.get("sources") or {}
    changed = [source_name(name) for name in digests if digests[name] != others.get(name, digests[name])]
    if changed:
        words = ngettext(
            "%(n)s source is configured differently: %(sources)s.",
            "%(n)s sources are configured differently: %(sources)s.",
            len(changed),
        )
        found.append(Cause("sources", words % {"n": number(len(changed)), "sources": ", ".join(changed)}))
    return found


def _data(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Cause]:
    found = []
    if _differs(a, b, "embedding_model"):
        words = gettext("The embedding model was %(a)s, then %(b)s.")
        found.append(Cause("embedding_model", words % {"a": a["embedding_model"], "b": b["embedding_model"]}))
    if _differs(a, b, "label_heads"):
        words = gettext("The label heads were %(a)s, then %(b)s.")
        heads = {"a": heads_in_words(a["label_heads"]), "b": heads_in_words(b["label_heads"])}
        found.append(Cause("label_heads", words % heads))
    if _differs(a, b, "encoder"):
        none = gettext("none")
        versions = {key: v["encoder"] or none for key, v in {"a": a, "b": b}.items()}
        found.append(Cause("encoder", gettext("The interest encoder was version %(a)s, then %(b)s.") % versions))
    if _differs(a, b, "statistics_built_at"):
        words = gettext("Statistics and neighbours were rebuilt at %(when)s.")
        found.append(Cause("statistics", words % {"when": _later(a, b, "statistics_built_at")}))
    if _differs(a, b, "interests_built_at"):
        words = gettext("The user's interests were rebuilt at %(when)s.")
        found.append(Cause("interests", words % {"when": _later(a, b, "interests_built_at")}))
    if _differs(a, b, "last_event_id"):
        found.append(Cause("events", gettext("The user did something in between.")))
    return found


def _rules(before: Recorded, after: Recorded) -> list[Cause]:
    gone, come = before.rules.keys() - after.rules.keys(), after.rules.keys() - before.rules.keys()
    known = Rule.objects.in_bulk([*gone, *come]) if gone or come else {}
    found = []
    for rule_id in sorted(gone):
        kept, rule = before.rules[rule_id], known.get(rule_id)
        found.append(Cause("rule", _gone(kept, rule), address_of("rule", kept.get("name"))))
    for rule_id in sorted(come):
        kept = after.rules[rule_id]
        words = gettext("The rule “%(name)s” version %(version)s came into force.")
        named = {"name": kept.get("name"), "version": kept.get("version")}
        found.append(Cause("rule", words % named, address_of("rule", kept.get("name"))))
    return found


def _gone(kept: Mapping[str, Any], rule: Rule | None) -> str:
    named = {"name": kept.get("name"), "version": kept.get("version")}
    if rule is not None and rule.retired_at is not None:
        words = gettext("The rule “%(name)s” version %(version)s was retired at %(when)s.")
        return words % {**named, "when": f"{day(rule.retired_at)} {clock(rule.retired_at)}"}
    return gettext("The rule “%(name)s” version %(version)s is not in force for the second list.") % named


def _differs(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    """Where both know it: what an older slate did not record is no difference."""
    return name in a and name in b and a[name] != b[name]


def _later(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> str:
    moments: Sequence[str] = sorted(str(value) for value in (a[name], b[name]) if value)
    moment = parse_datetime(moments[-1]) if moments else None
    return f"{day(moment)} {clock(moment)}" if moment else gettext("a time not known")
