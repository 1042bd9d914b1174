"""Why an item is on a list: evidence and words for each part of its score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from catalog.models import Item
from recommender.algorithms.fusion import Fused
from recommender.candidates import NO_INTEREST, Pool, UserState
from recommender.models import InterestVector, Neighbour
from recommender.strategies import SOURCES

EVIDENCE_ITEMS = 3
NEIGHBOURS_NAMED = 2


@dataclass(frozen=True)
class ScorePart:
    """What one source adds to a score: contribution = weight * z. `evidence` is JSON; `words` say it to people."""

    source: str
    raw: float
    z: float
    weight: float
    contribution: float
    evidence: dict[str, object]
    words: str

    def as_json(self) -> dict[str, object]:
        # Not asdict(): it copies the evidence deeply, which was a sixth of a whole list's time.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def explain(pool: Pool, places: Sequence[int], fused: Fused, state: UserState) -> list[tuple[ScorePart, ...]]:
    """The parts of each of these candidates, largest contribution first. Three queries, however many there are."""
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


def sentences(parts: Iterable[ScorePart]) -> tuple[str, ...]:
    """Words of the parts that raise the item by what two decimals can show, strongest first."""
    raising = sorted((part for part in parts if part.contribution >= 0.005), key=lambda part: -part.contribution)
    return tuple(part.words for part in raising if part.words)


def _part(source: str, place: int, pool: Pool, fused: Fused, evidence: dict[str, object]) -> ScorePart:
    z, weight = float(fused.z[source][place]), fused.weights[source]
    return ScorePart(
        source=source,
        raw=float(pool.raw[source][place]),
        z=z,
        weight=weight,
        contribution=weight * z,
        evidence=evidence,
        words=words(source, evidence),
    )


def words(source: str, evidence: Mapping[str, object]) -> str:
    """One sentence a source, from its evidence alone; '' where the source has nothing to say for the item."""
    return _WORDS[source](evidence)


def _neighbour_words(evidence: Mapping[str, object]) -> str:
    items: list[dict[str, object]] = evidence.get("items", [])  # type: ignore[assignment]
    if not items:
        return ""
    first, *others = items
    named = f"{first['title']} ({first['users']:,} of them)"
    if others:
        named += f" and {others[0]['title']} ({others[0]['users']:,})"
    return f"Often taken by users who took {named}."


def _interest_words(evidence: Mapping[str, object]) -> str:
    if "medoid" not in evidence:
        return ""
    titles = _titles(evidence) or [str(evidence["medoid"])]
    return f"Resembles what was taken before: {'; '.join(titles)}."


def _label_words(evidence: Mapping[str, object]) -> str:
    if "label" not in evidence:
        return ""
    behind = _titles(evidence)
    listed = f": {'; '.join(behind)}" if behind else ""
    return f"Fits the interest in {evidence['label']}{listed}."


def _popular_words(evidence: Mapping[str, object]) -> str:
    users: int = evidence["recent_users"]  # type: ignore[assignment]
    if not users:
        return ""
    return f"{users:,} {'user' if users == 1 else 'users'} took it in the last 28 days."


def _new_words(evidence: Mapping[str, object]) -> str:
    if not evidence["is_new"]:
        return ""
    users: int = evidence["users"]  # type: ignore[assignment]
    taken = (
        "nobody has taken it yet"
        if not users
        else f"only {users} {'user has' if users == 1 else 'users have'} taken it"
    )
    return f"New here: {taken}."


_WORDS = {
    "neighbours": _neighbour_words,
    "interest": _interest_words,
    "label_affinity": _label_words,
    "popular": _popular_words,
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

    By candidate id, `ties`: its strongest neighbours; `alike`: what resembles it most of the interest it fits best.
    """

    pool: Pool
    state: UserState
    ties: Mapping[int, list[tuple[int, int]]]
    alike: Mapping[int, list[int]]
    named: Mapping[int, Mapping[str, object]]

    @classmethod
    def read(cls, pool: Pool, places: Sequence[int], state: UserState) -> _Evidence:
        picked = [int(pool.ids[place]) for place in places]
        ties = _strongest_ties(picked, state.recent_items)
        alike = _most_alike(pool, places, state)
        needed = {item_id for tied in ties.values() for item_id, _ in tied}
        needed.update(item_id for found in alike.values() for item_id in found)
        needed.update(interest.medoid_id for interest in state.interests)
        for interest_label in state.interest_labels:
            needed.update(interest_label.items[:EVIDENCE_ITEMS])
        named = {
            item_id: {"id": item_id, "external_id": external_id, "title": title}
            for item_id, external_id, title in Item.objects.filter(pk__in=needed).values_list(
                "id", "external_id", "title"
            )
        }
        return cls(pool, state, ties, alike, named)

    def of(self, source: str, place: int) -> dict[str, object]:
        """JSON that says where the source's score came from."""
        if source == "neighbours":
            tied = self.ties.get(int(self.pool.ids[place]), [])
            items = [{**self.named[i], "title": _short(str(self.named[i]["title"])), "users": u} for i, u in tied]
            return {"items": items}
        if source == "interest":
            return self._interest(place)
        if source == "label_affinity":
            return self._label(place)
        if source == "popular":
            return {"recent_users": int(self.pool.recent_users[place]), "users": int(self.pool.users[place])}
        return {"users": int(self.pool.users[place]), "is_new": bool(self.pool.raw["new"][place] > 0)}

    def _interest(self, place: int) -> dict[str, object]:
        position = int(self.pool.closest_interest[place])
        if position == NO_INTEREST:
            return {}
        interest = next(each for each in self.state.interests if each.position == position)
        return {
            "position": position,
            "medoid": _short(str(self.named[interest.medoid_id]["title"])),
            "items": self._items(self.alike.get(int(self.pool.ids[place]), [])),
        }

    def _label(self, place: int) -> dict[str, object]:
        confidence = {label.label_id: label.confidence for label in self.pool.labels[place]}
        shared = [interest for interest in self.state.interest_labels if interest.label_id in confidence]
        if not shared:
            return {}
        best = max(shared, key=lambda each: (each.weight * confidence[each.label_id], -each.label_id))
        return {"label_id": best.label_id, "label": best.label.name, "items": self._items(best.items)}

    def _items(self, item_ids: Iterable[int]) -> list[dict[str, object]]:
        """The first few of these that still exist, no title twice."""
        items: dict[object, dict[str, object]] = {}
        for item_id in item_ids:
            if item_id in self.named:
                items.setdefault(self.named[item_id]["title"], dict(self.named[item_id]))
        return list(items.values())[:EVIDENCE_ITEMS]


def _most_alike(pool: Pool, places: Sequence[int], state: UserState) -> dict[int, list[int]]:
    """For each picked item those events' items, of the interest it fits best, that it resembles most."""
    behind = {each.position: [event["item"] for event in each.events] for each in state.interests}
    pairs = [
        (int(pool.ids[place]), item_id)
        for place in places
        for item_id in behind.get(int(pool.closest_interest[place]), [])
    ]
    alike: dict[int, list[int]] = defaultdict(list)
    for item_id, other_id in InterestVector.objects.most_like(pairs, 2 * EVIDENCE_ITEMS):
        alike[item_id].append(other_id)
    return alike


def _strongest_ties(picked: Sequence[int], recent_items: Mapping[int, float]) -> dict[int, list[tuple[int, int]]]:
    """For each picked item the recent items that voted most for it, with how many users took both."""
    votes: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for item_id, neighbour_id, score, users in Neighbour.objects.ties(list(recent_items), picked):
        votes[neighbour_id].append((score * recent_items[item_id], item_id, users))
    return {
        neighbour_id: [
            (item_id, users)
            for _, item_id, users in sorted(found, key=lambda vote: (-vote[0], vote[1]))[:NEIGHBOURS_NAMED]
        ]
        for neighbour_id, found in votes.items()
    }
