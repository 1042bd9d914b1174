"""Which item labels a review page is about, read from its address and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import QueryDict

from catalog.models import Item, ItemLabel, Label
from catalog.models.item_label import ItemLabelQuerySet

State = Literal["undecided", "mine", "anyone", "automatic"]
STATES = ("undecided", "mine", "anyone", "automatic")
SIMILAR_AMONG = 200


@dataclass(frozen=True)
class ReviewFilter:
    """What narrows a list of item labels; confidences 0..1, `similar_to` an item label's id."""

    taxonomy_id: int | None = None
    label_id: int | None = None
    source: str = ""
    is_disputed: bool = False
    from_confidence: float | None = None
    to_confidence: float | None = None
    q: str = ""
    state: State = "undecided"
    similar_to: int | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """As the address says it, without what says nothing."""
        said = {
            "taxonomy": self.taxonomy_id,
            "label": self.label_id,
            "source": self.source,
            "disputed": "1" if self.is_disputed else "",
            "from": self.from_confidence,
            "to": self.to_confidence,
            "q": self.q,
            "state": "" if self.state == "undecided" else self.state,
            "similar": self.similar_to,
        }
        return {name: str(value) for name, value in said.items() if value not in (None, "")}

    @property
    def query(self) -> str:
        return urlencode(self.parameters)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.parameters)

    def with_label(self, label_id: int) -> str:
        return urlencode({**self.parameters, "label": str(label_id)})


def parse(values: QueryDict | Mapping[str, str]) -> ReviewFilter:
    """Nonsense in the address narrows nothing."""
    source, state = _text(values, "source"), _text(values, "state")
    return ReviewFilter(
        taxonomy_id=_whole(values, "taxonomy"),
        label_id=_label(values),
        source=source if source in ItemLabel.Source.values else "",
        is_disputed=_text(values, "disputed") == "1",
        from_confidence=_share(values, "from"),
        to_confidence=_share(values, "to"),
        q=_text(values, "q")[:200],
        state=cast(State, state) if state in STATES else "undecided",
        similar_to=_whole(values, "similar"),
    )


def rows_for(narrowing: ReviewFilter, reviewer: User) -> ItemLabelQuerySet:
    """The item labels it is about, in no order. What it names and does not exist leaves none."""
    rows = _in_state(narrowing.state, reviewer)
    if narrowing.taxonomy_id is not None:
        rows = rows.filter(taxonomy_id=narrowing.taxonomy_id)
    if narrowing.label_id is not None:
        label = Label.objects.filter(pk=narrowing.label_id).first()
        within = (
            Label.objects.filter(taxonomy_id=label.taxonomy_id).below(label.path) if label else Label.objects.none()
        )
        rows = rows.about(within)
    if narrowing.source:
        rows = rows.filter(source=narrowing.source)
    if narrowing.is_disputed:
        rows = rows.where_opinions_differ()
    if narrowing.from_confidence is not None:
        rows = rows.filter(confidence__gte=narrowing.from_confidence)
    if narrowing.to_confidence is not None:
        rows = rows.filter(confidence__lte=narrowing.to_confidence)
    if narrowing.q:
        by_item = Q(item__title__icontains=narrowing.q) | Q(item__external_id__iexact=narrowing.q)
        rows = rows.filter(by_item | Q(item__brand__icontains=narrowing.q))
    if narrowing.similar_to is not None:
        rows = _similar(rows, narrowing.similar_to)
    return rows


def _in_state(state: State, reviewer: User) -> ItemLabelQuerySet:
    rows = ItemLabel.objects.all()
    match state:
        case "mine":
            return rows.decided_by_people().filter(reviewer=reviewer)
        case "anyone":
            return rows.decided_by_people()
        case "automatic":
            return rows.current().filter(is_automatic=True)
        case _:
            return rows.awaiting_review()


def _similar(rows: ItemLabelQuerySet, item_label_id: int) -> ItemLabelQuerySet:
    """Of the items nearest by meaning, itself included, those with the same suggested label."""
    like = ItemLabel.objects.select_related("item").defer("item__search_vector").filter(pk=item_label_id).first()
    if like is None:
        return rows.none()
    near = [item.pk for item in Item.objects.only("pk").beside(like.item, SIMILAR_AMONG - 1)]
    return rows.filter(item__in=[like.item_id, *near], label=like.label_id)


def _text(values: QueryDict | Mapping[str, str], name: str) -> str:
    return str(values.get(name, "")).replace("\x00", "").strip()


def _whole(values: QueryDict | Mapping[str, str], name: str) -> int | None:
    text = _text(values, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _label(values: QueryDict | Mapping[str, str]) -> int | None:
    """Its id, or its path as it is typed; 0, which no label has, where there is none of that path."""
    text = _text(values, "label")
    if not text or text.isdigit():
        return _whole(values, "label")
    named = Label.objects.filter(path__iexact=text[:1000]).order_by("id")
    if (taxonomy_id := _whole(values, "taxonomy")) is not None:
        named = named.filter(taxonomy=taxonomy_id)
    return named.values_list("pk", flat=True).first() or 0


def _share(values: QueryDict | Mapping[str, str], name: str) -> float | None:
    try:
        share = float(_text(values, name))
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None
