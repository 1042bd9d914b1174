"""Versions of all that a list's scores come from: kept with each slate, and read out in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from recommender.candidates import UserState
from recommender.models import Slate, Strategy
from recommender.strategies import Ranker
from recsite.operations.templatetags.console import ago, number


def versions_of(strategy: Strategy, ranker: Ranker, state: UserState) -> dict[str, object]:
    """What the scores came from, so that an audit can tell which of it has changed since. One query."""
    user = state.user
    return {
        "strategy": str(strategy),
        "fit": ranker.fit_id,
        "sources": ranker.digests(),
        **Slate.objects.all().versions_now(),
        "interests_built_at": user.interests_built_at.isoformat() if user and user.interests_built_at else None,
        "interests_event_id": user.interests_event_id if user else None,
        "last_event_id": user.last_event_id if user else None,
        "as_of": state.as_of.isoformat(),
    }


@dataclass(frozen=True)
class VersionWords:
    name: str
    words: str


def in_words(versions: Mapping[str, Any]) -> list[VersionWords]:
    """What a slate knows of versions, for people; what it does not know is left out."""
    rows = [
        (gettext("Strategy"), versions.get("strategy")),
        (gettext("Weights"), _fit(versions)),
        (gettext("Embedding model"), versions.get("embedding_model")),
        (gettext("Label heads"), heads_in_words(versions.get("label_heads"))),
        (gettext("Interest encoder"), _encoder(versions)),
        (gettext("Statistics built"), _moment(versions.get("statistics_built_at"))),
        (gettext("Interests built"), _moment(versions.get("interests_built_at"))),
        (gettext("Events known to the interests"), _behind(versions)),
        (gettext("Recent is measured from"), _moment(versions.get("as_of"))),
    ]
    return [VersionWords(name, str(words)) for name, words in rows if words]


def heads_in_words(heads: object) -> str:
    """label_heads: taxonomy's slug -> version of its live head."""
    if not isinstance(heads, Mapping):
        return ""
    said = [
        gettext("%(taxonomy)s version %(version)s") % {"taxonomy": t, "version": v} for t, v in sorted(heads.items())
    ]
    return ", ".join(said) or gettext("none has learned from decisions yet")


def _fit(versions: Mapping[str, Any]) -> str:
    if "fit" not in versions:
        return ""
    if versions["fit"] is None:
        return gettext("the recipe's own")
    return gettext("fit %(id)s") % {"id": versions["fit"]}


def _encoder(versions: Mapping[str, Any]) -> str:
    if "encoder" not in versions:
        return ""
    version = versions["encoder"]
    return gettext("none") if version is None else gettext("version %(version)s") % {"version": version}


def _behind(versions: Mapping[str, Any]) -> str:
    known, newest = versions.get("interests_event_id"), versions.get("last_event_id")
    if newest is None:
        return ""
    if known == newest:
        return gettext("all")
    return gettext("up to event %(known)s of %(newest)s") % {"known": number(known), "newest": number(newest)}


def _moment(text: object) -> str:
    moment = parse_datetime(text) if isinstance(text, str) else None
    return ago(moment) if moment else ""
