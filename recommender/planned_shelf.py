"""The live catalog as it would be after planned changes of labels, for lists that are computed and never stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from catalog.label_changes import GivenLabel, LabelChanges
from catalog.models import Label
from recommender.interests import HISTORY_EVENTS, ItemLabelShare, LabelsByItem, labels_of
from recommender.models import EndUser, Event, InterestLabel
from recommender.remembering_shelf import Known, RememberingShelf
from recommender.rules import RulesInForce
from recommender.shelves import PooledLabel


@dataclass(frozen=True)
class _Tree:
    """Taxonomies as they would be. became: each label -> what it was merged into, or None; below: parent -> labels."""

    became: Mapping[int, int | None]
    below: Mapping[int, Sequence[int]]

    def branch(self, root: int) -> frozenset[int]:
        found: set[int] = set()
        label: int | None = root
        while label is not None and label not in found:
            found.add(label)
            label = self.became.get(label)
        waiting = list(found)
        while waiting:
            new = [child for child in self.below.get(waiting.pop(), ()) if child not in found]
            found.update(new)
            waiting += new
        return frozenset(found)


class PlannedShelf(RememberingShelf):
    """What items count as having is read from the database and then changed as planned; all else is as it is."""

    def __init__(self, changes: LabelChanges, known: Known) -> None:
        super().__init__(known)
        self.changes = changes
        self._given: dict[int, list[GivenLabel]] = defaultdict(list)
        for each in changes.given:
            self._given[each.item_id].append(each)
        self._touched = {label for _, label in changes.gone} | {each.label_id for each in changes.given}
        self._carriers: dict[int, list[int]] = {}

    def history_of(self, user: EndUser) -> list[Event]:
        """What the user's interests are built from, newest first."""
        ask = Event.objects.all().latest_of
        return self.once(("history", user.pk), lambda: list(ask([user.pk], HISTORY_EVENTS)))

    def labels(self, item_ids: Sequence[int]) -> dict[int, tuple[PooledLabel, ...]]:
        found: dict[int, tuple[PooledLabel, ...]] = {}
        for item_id, shares in self.labels_of(item_ids).items():
            found[item_id] = tuple(PooledLabel(each.label_id, each.taxonomy_id, each.confidence) for each in shares)
        return found

    def labels_of(self, item_ids: Sequence[int]) -> LabelsByItem:
        """As `interests.labels_of`, after the changes; surest first."""
        stored = self.once(("labels_of", tuple(item_ids)), lambda: labels_of(item_ids))
        found: LabelsByItem = {}
        for item_id in item_ids:
            own = [each for each in stored.get(item_id, []) if (item_id, each.label_id) not in self.changes.gone]
            new = [
                ItemLabelShare(each.taxonomy_id, each.label_id, each.confidence)
                for each in self._given.get(item_id, ())
                if each.taxonomy_id in self._active
            ]
            if own or new:
                found[item_id] = sorted([*own, *new], key=lambda each: (-each.confidence, each.label_id))
        return found

    def carrying(self, label_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        touched = [label for label in label_ids if label in self._touched]
        found = super().carrying([label for label in label_ids if label not in self._touched], n, without)
        if missing := [label for label in touched if label not in self._carriers]:
            self._read_carriers(missing)
        left_out = set(without)
        for label in touched:
            found += [item for item in self._carriers[label] if item not in left_out][:n]
        return found

    def _read_carriers(self, label_ids: Sequence[int]) -> None:
        """Of each label the items that would carry it and may be shown; surest first, of equals the popular ones."""
        wanted = set(label_ids)
        rows = [
            (label, item, confidence)
            for label, item, confidence in InterestLabel.objects.all().carriers(label_ids)
            if (item, label) not in self.changes.gone
        ]
        rows += [
            (each.label_id, each.item_id, each.confidence) for each in self.changes.given if each.label_id in wanted
        ]
        popular = InterestLabel.objects.all().by_popularity(sorted({item for _, item, _ in rows}))
        place_of = {item: place for place, item in enumerate(popular)}
        by_label: dict[int, list[tuple[float, int, int]]] = {label: [] for label in label_ids}
        for label, item, confidence in rows:
            if item in place_of:
                by_label[label].append((-confidence, place_of[item], item))
        self._carriers |= {label: [item for _, _, item in sorted(own)] for label, own in by_label.items()}

    def branches(self, roots: Sequence[int]) -> Mapping[int, frozenset[int]]:
        """As `Label.objects.branches`, after the moves and merges."""
        if not (self.changes.moved or self.changes.merged):
            return Label.objects.all().branches(roots) if roots else {}
        planned = [root for root in roots if root in self._tree.became]
        others = [root for root in roots if root not in self._tree.became]
        stored = Label.objects.all().branches(others) if others else {}
        return {**stored, **{root: self._tree.branch(root) for root in planned}}

    def brought(self, rules: RulesInForce, *, most: int) -> list[int]:
        """Items that rules about labels would bring along once they have them: which of them is decided later."""
        named = {
            label for each in rules.rules for root in each.scope.labels for label in rules.branches().get(root, ())
        }
        wanted = sorted({each.item_id for each in self.changes.given if each.label_id in named})
        return InterestLabel.objects.all().by_popularity(wanted)[:most] if wanted else []

    @cached_property
    def _tree(self) -> _Tree:
        concerned = Label.objects.filter(pk__in=[*self.changes.moved, *self.changes.merged]).values("taxonomy_id")
        became: dict[int, int | None] = {}
        below: dict[int, list[int]] = defaultdict(list)
        rows = Label.objects.filter(taxonomy_id__in=concerned).values_list("pk", "parent_id", "merged_into_id")
        for label, parent, merged_into in rows:
            became[label] = self.changes.merged.get(label, merged_into)
            above = self.changes.moved.get(label, parent)
            if above is not None:
                below[above].append(label)
        return _Tree(became, below)

    @cached_property
    def _active(self) -> set[int]:
        ids = {each.taxonomy_id for each in self.changes.given}
        return set(
            Label.objects.filter(taxonomy_id__in=ids, taxonomy__is_active=True).values_list("taxonomy_id", flat=True)
        )
