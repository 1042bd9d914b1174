"""Why an item is on a list: evidence and words for each part of its score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from django.utils.translation import gettext, ngettext
from numpy.typing import NDArray

from catalog.models import Item
from recommender.algorithms.fusion import Fused
from recommender.algorithms.sources import SOURCES
from recommender.candidates import NO_INTEREST, Pool, UserState
from recommender.models import Neighbour
from recommender.shelves import KIND_OF

EVIDENCE_ITEMS = 3
NEIGHBOURS_NAMED = 2
NEWEST_NAMED_STEPS = 8.0  # reasons name what was done lately rather than long ago
LANGUAGE_MODEL = "language_model"
RULES = "rules"
ALIKE = 0.2  # a cosine below says nothing


@dataclass(frozen=True)
class ScorePart:
    """What one source adds to a score: contribution = weight * z + by_trees, the last what boosted trees read from it.
    `evidence` is JSON; `words` say it to people."""

    source: str
    raw: float
    z: float
    weight: float
    contribution: float
    evidence: dict[str, object]
    words: str
    by_trees: float = 0.0

    def as_json(self) -> dict[str, object]:
        # Not asdict(): it copies the evidence deeply, which was a sixth of a whole list's time.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def explain(pool: Pool, places: Sequence[int], fused: Fused, state: UserState) -> list[tuple[ScorePart, ...]]:
    """The parts of each of these candidates, largest contribution first. Two queries, however many there are."""
    evidence = _Evidence.read(pool, places, state)
    return [
        tuple(
            sorted(
                (_part(source, place, pool, fused, evidence.of(source, place)) for source in SOURCES),
                key=lambda part: (-part.contribution, part.source),
            )
        )
        for place in places
    ]


def said_by_model(moved: float, *, share: float, weight: float) -> ScorePart:
    """What re-ranking adds to a score; share: the language model's, of the candidates it was asked about."""
    words = gettext("The language model gives it %(share)s among the best.") % {"share": f"{share:.0%}"}
    words = words if moved > 0 else ""
    return ScorePart(LANGUAGE_MODEL, share, moved / weight, weight, moved, {}, words)


def moved_by_rules(touched: Sequence[Mapping[str, object]], *, spread: float) -> ScorePart:
    """What boosts and buries add to a score; touched: as a slate keeps them; spread: of the candidates' scores."""
    moving = [rule for rule in touched if "added" in rule]
    added = sum(float(str(rule["added"])) for rule in moving)
    said = gettext("Raised by the rule %(names)s.") if added > 0 else gettext("Lowered by the rule %(names)s.")
    words = said % {"names": _and([f"“{rule['name']}”" for rule in moving])}
    strength = added / spread
    return ScorePart(RULES, strength, strength, spread, added, {"rules": list(moving)}, words)


def pinned_by(touched: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """One sentence for each rule that pinned the item."""
    said = gettext("Pinned here by the rule “%(name)s”.")
    return tuple(said % {"name": rule["name"]} for rule in touched if "position" in rule)


def sentences(parts: Iterable[ScorePart]) -> tuple[str, ...]:
    """Words of the parts that speak for the item and raise it by what two decimals can show, strongest first."""
    raising = [part for part in parts if part.contribution >= 0.005 and part.z > 0]
    raising.sort(key=lambda part: -part.contribution)
    return tuple(part.words for part in raising if part.words)


def _part(source: str, place: int, pool: Pool, fused: Fused, evidence: dict[str, object]) -> ScorePart:
    z, weight, by_trees = float(fused.z[source][place]), fused.weights[source], float(fused.by_trees[source][place])
    return ScorePart(
        source=source,
        raw=float(pool.raw[source][place]),
        z=z,
        weight=weight,
        contribution=weight * z + by_trees,
        evidence=evidence,
        words=words(source, evidence),
        by_trees=by_trees,
    )


def words(source: str, evidence: Mapping[str, object]) -> str:
    """One sentence a source, from its evidence alone, in the language of whoever asks; '' where the source has nothing
    to say for the item."""
    return _WORDS[source](evidence)


def words_again(stored: Mapping[str, Any]) -> str:
    """The sentence of a score part that a slate keeps, said anew in the reader's language; as it was stored where the
    part has no evidence to say it from."""
    source, evidence, said = stored.get("source"), stored.get("evidence") or {}, str(stored.get("words", ""))
    if not said:
        return ""
    try:
        if source == RULES:
            return moved_by_rules(evidence["rules"], spread=1.0).words
        if source == LANGUAGE_MODEL:
            return said_by_model(stored["contribution"], share=stored["raw"], weight=1.0).words
        return (words(source, evidence) if source in _WORDS and evidence else "") or said
    except (KeyError, TypeError, ValueError):
        return said


def _neighbour_words(evidence: Mapping[str, object]) -> str:
    items: list[dict[str, object]] = evidence.get("items", [])  # type: ignore[assignment]
    if not items:
        return ""
    first, *others = items
    named = [
        ngettext("%(title)s (%(n)s of them)", "%(title)s (%(n)s of them)", int(str(first["users"])))
        % {"title": first["title"], "n": f"{first['users']:,}"},
        *(f"{other['title']} ({other['users']:,})" for other in others[:1]),
    ]
    return gettext("Often taken by users who took %(items)s.") % {"items": _and(named)}


def _and(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return gettext("%(one)s and %(other)s") % {"one": ", ".join(names[:-1]), "other": names[-1]}


def _next_words(evidence: Mapping[str, object]) -> str:
    titles = _titles(evidence)
    return gettext("Often taken right after %(items)s.") % {"items": _and(titles[:2])} if titles else ""


def _carried_words(evidence: Mapping[str, object]) -> str:
    titles = _titles(evidence)
    return gettext("Resembles what goes with %(items)s.") % {"items": _and(titles[:2])} if titles else ""


def _similar_words(evidence: Mapping[str, object]) -> str:
    titles = _titles(evidence)
    return gettext("Resembles what was taken lately: %(items)s.") % _listed(titles) if titles else ""


def _shared_words(evidence: Mapping[str, object]) -> str:
    titles = _titles(evidence)
    return gettext("Named like %(items)s.") % _listed(titles) if titles else ""


def _listed(titles: Sequence[str]) -> dict[str, str]:
    return {"items": "; ".join(titles)}


def _interest_words(evidence: Mapping[str, object]) -> str:
    if "medoid" not in evidence:
        return ""
    titles = _titles(evidence) or [str(evidence["medoid"])]
    return gettext("Fits an interest of this user: %(items)s.") % _listed(titles)


def _repeat_words(evidence: Mapping[str, object]) -> str:
    times, days = evidence.get("times", 0), evidence.get("days_ago")
    if not times or not isinstance(days, int):
        return ""
    ago = ngettext("a day ago", "%(n)s days ago", days) % {"n": f"{days:,}"}
    last = gettext("today") if days < 1 else ago
    count = int(str(times))
    said = ngettext(
        "Taken once before, the last time %(last)s.", "Taken %(n)s times before, the last time %(last)s.", count
    )
    return said % {"n": f"{count:,}", "last": last}


def _label_words(evidence: Mapping[str, object]) -> str:
    if "label" not in evidence:
        return ""
    behind = _titles(evidence)
    if not behind:
        return gettext("Fits the interest in %(label)s.") % {"label": evidence["label"]}
    return gettext("Fits the interest in %(label)s: %(items)s.") % {"label": evidence["label"], **_listed(behind)}


def _popular_words(evidence: Mapping[str, object]) -> str:
    users: int = evidence["recent_users"]  # type: ignore[assignment]
    if not users:
        return ""
    said = ngettext("%(n)s user took it in the last 28 days.", "%(n)s users took it in the last 28 days.", users)
    return said % {"n": f"{users:,}"}


def _trending_words(evidence: Mapping[str, object]) -> str:
    ratio: float = evidence.get("ratio", 1.0)  # type: ignore[assignment]
    if ratio <= 1.05:
        return ""
    return gettext("Taken %(ratio)s times as often this week as in the four before.") % {"ratio": f"{ratio:.1f}"}


def _new_words(evidence: Mapping[str, object]) -> str:
    if not evidence["is_new"]:
        return ""
    users: int = evidence["users"]  # type: ignore[assignment]
    if not users:
        return gettext("New here: nobody has taken it yet.")
    said = ngettext("New here: only %(n)s user has taken it.", "New here: only %(n)s users have taken it.", users)
    return said % {"n": users}


def _latent_words(evidence: Mapping[str, object]) -> str:
    return gettext("Fits the taste that this user's items show.") if evidence.get("fits") else ""


_WORDS = {
    "neighbours": _neighbour_words,
    "next": _next_words,
    "carried": _carried_words,
    "latent": _latent_words,
    "similar": _similar_words,
    "words": _shared_words,
    "interest": _interest_words,
    "label_affinity": _label_words,
    "repeat": _repeat_words,
    "popular": _popular_words,
    "trending": _trending_words,
    "new": _new_words,
}


def _titles(evidence: Mapping[str, object]) -> list[str]:
    items: list[dict[str, object]] = evidence.get("items", [])  # type: ignore[assignment]
    return [_short(str(item["title"])) for item in items]


def _short(title: str, length: int = 60) -> str:
    return title if len(title) <= length else title[: length - 1].rstrip() + "…"


@dataclass(frozen=True)
class _Evidence:
    """What the explanations of one list refer to, read at once.

    ties: by source and candidate id, the recent items that voted most for it, with how many users took both.
    """

    pool: Pool
    state: UserState
    ties: Mapping[tuple[str, int], list[tuple[int, int]]]
    named: Mapping[int, Mapping[str, object]]

    @classmethod
    def read(cls, pool: Pool, places: Sequence[int], state: UserState) -> _Evidence:
        picked = [int(pool.ids[place]) for place in places]
        ties = _strongest_ties(picked, state)
        needed = {item_id for tied in ties.values() for item_id, _ in tied}
        for place in places:
            needed.update(_most_alike(pool.alike[place], pool.recent_ids))
        needed.update(interest.medoid_id for interest in state.interests)
        needed.update(event["item"] for interest in state.interests for event in interest.events)
        for interest_label in state.interest_labels:
            needed.update(interest_label.items[:EVIDENCE_ITEMS])
        named = {
            item_id: {"id": item_id, "external_id": external_id, "title": title}
            for item_id, external_id, title in Item.objects.filter(pk__in=needed).values_list(
                "id", "external_id", "title"
            )
        }
        return cls(pool, state, ties, named)

    def of(self, source: str, place: int) -> dict[str, object]:
        """JSON that says where the source's score came from."""
        pool, item_id = self.pool, int(self.pool.ids[place])
        if source in KIND_OF:
            tied = self.ties.get((source, item_id), [])
            named = [(self.named[i], users) for i, users in tied if i in self.named]
            return {"items": [{**item, "title": _short(str(item["title"])), "users": users} for item, users in named]}
        if source == "similar":
            return {"items": self._items(_most_alike(pool.alike[place], pool.recent_ids))}
        if source == "latent":
            return {"users": int(pool.users[place]), "fits": bool(pool.raw["latent"][place] > 0)}
        if source == "interest":
            return self._interest(place)
        if source == "label_affinity":
            return self._label(place)
        if source == "repeat":
            return self._repeat(item_id)
        if source == "popular":
            return {"recent_users": int(pool.recent_users[place]), "users": int(pool.users[place])}
        if source == "trending":
            return {"ratio": round(math.exp(float(pool.trend[place])), 3)}
        return {"users": int(pool.users[place]), "is_new": bool(pool.raw["new"][place] > 0)}

    def _interest(self, place: int) -> dict[str, object]:
        """Of the items behind the interest those that resemble the candidate most come first."""
        position = int(self.pool.closest_interest[place])
        if position == NO_INTEREST:
            return {}
        interest = next(each for each in self.state.interests if each.position == position)
        behind = [event["item"] for event in interest.events]
        likeness = dict(zip(self.pool.recent_ids.tolist(), self.pool.alike[place].tolist(), strict=True))
        closest = sorted(behind, key=lambda item_id: -likeness.get(item_id, -1.0))
        medoid = self.named.get(interest.medoid_id)
        return {
            "position": position,
            "medoid": _short(str(medoid["title"])) if medoid else "",
            "items": self._items(closest),
        }

    def _label(self, place: int) -> dict[str, object]:
        confidence = {label.label_id: label.confidence for label in self.pool.labels[place]}
        shared = [interest for interest in self.state.interest_labels if interest.label_id in confidence]
        if not shared:
            return {}
        best = max(shared, key=lambda each: (each.weight * confidence[each.label_id], -each.label_id))
        return {"label_id": best.label_id, "label": best.label.name, "items": self._items(best.items)}

    def _repeat(self, item_id: int) -> dict[str, object]:
        past = self.state.past
        liked = (past.items == item_id) & (past.weights > 0)
        if not liked.any():
            return {}
        return {"times": int(liked.sum()), "days_ago": int(past.days_ago[liked].min())}

    def _items(self, item_ids: Iterable[int]) -> list[dict[str, object]]:
        """The first few of these that still exist, no title twice."""
        items: dict[object, dict[str, object]] = {}
        for item_id in item_ids:
            if item_id in self.named:
                items.setdefault(self.named[item_id]["title"], dict(self.named[item_id]))
        return list(items.values())[:EVIDENCE_ITEMS]


def _most_alike(cosines: NDArray[np.float32], item_ids: NDArray[np.int64]) -> list[int]:
    """The items that resemble the candidate most, itself apart; only those that do at all."""
    best = [place for place in np.argsort(-cosines, kind="stable") if ALIKE <= cosines[place] < 0.9999]
    return item_ids[best[: 2 * EVIDENCE_ITEMS]].tolist()


def _strongest_ties(picked: Sequence[int], state: UserState) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """For each source that lets recent items vote, and each picked item, the ones that voted most for it."""
    source_of = {kind.value: source for source, kind in KIND_OF.items()}
    recent = state.recent_items(NEWEST_NAMED_STEPS)
    votes: dict[tuple[str, int], list[tuple[float, int, int]]] = defaultdict(list)
    for kind, item_id, neighbour_id, score, users in Neighbour.objects.ties(list(recent), picked):
        if users or kind in (Neighbour.Kind.WORDS, Neighbour.Kind.CARRIED):
            votes[source_of[kind], neighbour_id].append((score * recent[item_id], item_id, users))
    return {
        key: [
            (item_id, users)
            for _, item_id, users in sorted(found, key=lambda vote: (-vote[0], vote[1]))[:NEIGHBOURS_NAMED]
        ]
        for key, found in votes.items()
    }
