"""One slate as it was served: its request, versions, rules and items in words, and what the user did afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Item
from recommender import explanations, slate_versions
from recommender.explanations import ScorePart
from recommender.models import Event, Slate
from recommender.score_bars import Scale, Segment, scale_of, segments
from recommender.slate_versions import VersionWords
from recommender.why_not_words import address_of
from recsite.operations.errors import NotFoundError

FOLLOWED_WITHIN = timedelta(hours=72)
FOLLOWED = (Event.Type.IMPRESSION, Event.Type.CLICK, Event.Type.ADD_TO_CART, Event.Type.PURCHASE)
MOST_EVENTS = 1_000
AUDIENCE_DAYS = 7
AUDIENCE_SLATES = 500
AUDIENCE_USERS = 12


@dataclass(frozen=True)
class RuleThen:
    """A rule as the slate keeps it; words: what it did to the item, '' of a rule in force."""

    id: int
    name: str
    version: int
    address: str
    words: str = ""


@dataclass(frozen=True)
class Followed:
    kind: str
    times: int
    first_at: datetime


@dataclass(frozen=True)
class ServedItem:
    position: int
    item: Item
    score: float
    parts: tuple[ScorePart, ...]
    sentences: tuple[str, ...]
    segments: tuple[Segment, ...]
    rules: tuple[RuleThen, ...]
    propensity: float | None
    followed: tuple[Followed, ...]


@dataclass(frozen=True)
class ServedSlate:
    """missing: items that were served and have been deleted for good since."""

    slate: Slate
    items: tuple[ServedItem, ...]
    scale: Scale
    versions: tuple[VersionWords, ...]
    rules: tuple[RuleThen, ...]
    asked: tuple[VersionWords, ...]
    missing: int
    is_followed_to_the_end: bool

    @property
    def sources(self) -> list[str]:
        """That move a score of this list."""
        return sorted({p.source for each in self.items for p in each.parts if abs(p.contribution) >= 0.005})


@dataclass(frozen=True)
class Shown:
    """A user whom an item was recommended to; slate: the newest such list."""

    user_external_id: str
    served_at: datetime
    position: int
    slate: UUID
    times: int


@dataclass(frozen=True)
class ItemAudience:
    """slates: how many lists were looked at; is_more: whether there were more of them."""

    users: tuple[Shown, ...]
    n_users: int
    slates: int
    is_more: bool
    mean_position: float | None


def find_slate(public_id: UUID) -> Slate:
    """With its items. Raises NotFoundError."""
    found = Slate.objects.select_related("strategy", "experiment", "user").with_items().filter(public_id=public_id)
    slate = found.first()
    if slate is None:
        raise NotFoundError(gettext("There is no such slate; it may be past the time for which slates are kept."))
    return slate


def served(slate: Slate) -> ServedSlate:
    """slate: as find_slate gives it. Two queries more."""
    rows = list(slate.items.all())
    labelled = Item.objects.for_tiles().defer("search_vector", "description").in_bulk([row.item_id for row in rows])
    parts = {row.pk: parts_of(row.parts) for row in rows}
    scale = scale_of(list(parts.values()))
    followed = _followed(slate, [row.item_id for row in rows])
    items = tuple(
        ServedItem(
            position=row.position,
            item=labelled.get(row.item_id, row.item),
            score=row.score,
            parts=parts[row.pk],
            sentences=(*explanations.pinned_by(row.rules), *explanations.sentences(parts[row.pk])),
            segments=segments(parts[row.pk], scale),
            rules=tuple(_rule(rule) for rule in row.rules),
            propensity=row.propensity,
            followed=tuple(followed.get(row.item_id, ())),
        )
        for row in rows
    )
    return ServedSlate(
        slate=slate,
        items=items,
        scale=scale,
        versions=tuple(slate_versions.in_words(slate.versions)),
        rules=tuple(_rule(rule) for rule in rules_of(slate)),
        asked=tuple(_asked(slate)),
        missing=missing_of(slate, len(rows)),
        is_followed_to_the_end=timezone.now() - slate.served_at >= FOLLOWED_WITHIN,
    )


def rules_of(slate: Slate) -> list[dict[str, Any]]:
    found = slate.details.get("rules")
    return [rule for rule in found if isinstance(rule, dict)] if isinstance(found, list) else []


def missing_of(slate: Slate, left: int) -> int:
    """A slate of before this was recorded tells only of gaps between the items left."""
    recorded = slate.details.get("items")
    most = recorded if isinstance(recorded, int) else max((row.position for row in slate.items.all()), default=0)
    return max(0, most - left)


def parts_of(stored: Sequence[Mapping[str, Any]]) -> tuple[ScorePart, ...]:
    """Score parts as they were stored; what an older slate lacks is empty. Their words are said anew from the evidence
    that was stored, in the reader's language."""
    return tuple(
        ScorePart(
            source=str(part.get("source", "")),
            raw=float(part.get("raw", 0.0)),
            z=float(part.get("z", 0.0)),
            weight=float(part.get("weight", 0.0)),
            contribution=float(part.get("contribution", 0.0)),
            evidence=part.get("evidence") or {},
            words=explanations.words_again(part),
        )
        for part in stored
    )


def audience_of(item_id: int) -> ItemAudience:
    """Who was recommended the item lately, from the newest few hundred lists that showed it. One query."""
    since = timezone.now() - timedelta(days=AUDIENCE_DAYS)
    rows = Slate.objects.all().users_shown(item_id, since, most=AUDIENCE_SLATES + 1)
    looked = rows[:AUDIENCE_SLATES]
    by_user: dict[str, list[tuple[str, datetime, int, UUID]]] = defaultdict(list)
    for row in looked:
        by_user[row[0]].append(row)
    users = tuple(
        Shown(user, newest[0][1], newest[0][2], newest[0][3], len(newest)) for user, newest in by_user.items()
    )
    mean = sum(row[2] for row in looked) / len(looked) if looked else None
    return ItemAudience(users[:AUDIENCE_USERS], len(users), len(looked), len(rows) > len(looked), mean)


def _followed(slate: Slate, item_ids: Sequence[int]) -> dict[int, list[Followed]]:
    if slate.user_id is None or not item_ids:
        return {}
    rows = Event.objects.all().of_items_between(
        slate.user_id, item_ids, FOLLOWED, slate.served_at, slate.served_at + FOLLOWED_WITHIN
    )
    moments: dict[tuple[int, str], list[datetime]] = defaultdict(list)
    for item_id, kind, moment in rows[:MOST_EVENTS]:
        moments[item_id, kind].append(moment)
    found: dict[int, list[Followed]] = defaultdict(list)
    for kind in FOLLOWED:
        for item_id in item_ids:
            if own := moments.get((item_id, kind.value)):
                found[item_id].append(Followed(kind.value, len(own), own[0]))
    return found


def _rule(stored: Mapping[str, Any]) -> RuleThen:
    name, version = str(stored.get("name", "")), int(stored.get("version") or 0)
    words = ""
    if "position" in stored:
        words = gettext("pinned it to place %(place)s") % {"place": stored["position"]}
    elif "added" in stored:
        added = float(stored["added"])
        said = gettext("raised it by %(by)s") if added > 0 else gettext("lowered it by %(by)s")
        words = said % {"by": f"{abs(added):.2f}"}
    return RuleThen(int(stored.get("id") or 0), name, version, address_of("rule", name), words)


def _asked(slate: Slate) -> list[VersionWords]:
    asked = slate.request
    rows = [
        (gettext("Length asked for"), str(slate.n)),
        (gettext("Placement"), slate.placement or gettext("none named")),
        (
            gettext("Repeats"),
            {"allow": gettext("allowed"), "exclude": gettext("excluded")}.get(asked.get("repeats"), ""),
        ),
        (gettext("Strategy by name"), asked.get("strategy", "")),
        (gettext("Filter"), scope_in_words(asked.get("within") or {})),
        (gettext("Language model"), _model(slate.details.get("rerank"))),
    ]
    return [VersionWords(name, str(words)) for name, words in rows if words]


def scope_in_words(scope: Mapping[str, Any]) -> str:
    """A stored scope: its fields and values, "brands: Millstone, price to: 5.00"."""
    said = []
    for name, value in scope.items():
        values = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
        said.append(f"{name.replace('_', ' ')}: {values}")
    return "; ".join(said)


def _model(details: object) -> str:
    return str(details.get("words", "")) if isinstance(details, Mapping) else ""
