"""How scores, their sources and kinds of events are named and coloured."""

from __future__ import annotations

import re

from django import template
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from recommender.explanations import ScorePart
from recommender.models import Event, Neighbour
from recsite.operations.templatetags.console import people

register = template.Library()

SOURCES = {
    "interest": gettext_lazy("Interests"),
    "label_affinity": gettext_lazy("Labels they favour"),
    "neighbours": gettext_lazy("Bought together"),
    "next": gettext_lazy("Right after"),
    "carried": gettext_lazy("Like those"),
    "latent": gettext_lazy("Taste"),
    "similar": gettext_lazy("Like the latest"),
    "words": gettext_lazy("Same words"),
    "repeat": gettext_lazy("Again"),
    "popular": gettext_lazy("Popular"),
    "trending": gettext_lazy("Rising"),
    "new": gettext_lazy("New"),
    "trees": gettext_lazy("In combination"),
    "rules": gettext_lazy("Rules"),
    "language_model": gettext_lazy("Language model"),
}
HISTORIES = {
    "none": gettext_lazy("No event"),
    "one": gettext_lazy("One event"),
    "few": gettext_lazy("Few events"),
    "many": gettext_lazy("Many events"),
}
EVENT_ICONS = {
    Event.Type.VIEW: "eye",
    Event.Type.CLICK: "click",
    Event.Type.ADD_TO_CART: "shopping-cart-plus",
    Event.Type.REMOVE_FROM_CART: "shopping-cart-minus",
    Event.Type.FAVOURITE: "heart",
    Event.Type.PURCHASE: "shopping-bag",
    Event.Type.REFUND: "receipt-refund",
    Event.Type.RATE: "star",
    Event.Type.IMPRESSION: "device-desktop",
    Event.Type.HIDE: "eye-off",
}


@register.filter
def source_name(source: str) -> str:
    return str(SOURCES.get(source, source.replace("_", " ").capitalize()))


@register.filter
def history_name(history: str) -> str:
    """A length of history, as fits tell them apart."""
    return str(HISTORIES.get(history, history.replace("_", " ").capitalize()))


@register.filter
def plain_figure(value: float) -> str:
    """A count with separators, anything else to four decimals, with a real minus sign."""
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{abs(value):.4f}"
    return f"−{text.lstrip('-')}" if value < 0 else text


@register.filter
def plain_bound(value: float) -> str:
    """The end of a range, separators where it is large: 0.1, 36,500."""
    return f"{value:,g}" if abs(value) < 1 else f"{value:,.0f}"


@register.filter
def source_colour(source: str) -> str:
    return f"var(--source-{source if source in SOURCES else 'other'})"


@register.filter
def linked_words(part: ScorePart) -> SafeString:
    """A part's sentence, each item and label that its evidence names linked to its page."""
    addresses: dict[str, str] = {}
    items = part.evidence.get("items")
    for item in items if isinstance(items, list) else []:
        addresses[str(item["title"])] = reverse("item", args=[item["external_id"]])
    if label := part.evidence.get("label"):
        addresses[str(label)] = f"{reverse('catalog')}?label={part.evidence['label_id']}"
    if medoid := part.evidence.get("medoid"):
        addresses.setdefault(str(medoid), "")  # named without an id: not to be taken for an item whose title begins it
    names = sorted((name for name in addresses if name), key=len, reverse=True)
    if not names:
        return escape(part.words)
    pieces = re.split("(" + "|".join(re.escape(name) for name in names) + ")", part.words)
    linked = [format_html('<a href="{}">{}</a>', addresses[p], p) if addresses.get(p) else escape(p) for p in pieces]
    return mark_safe("".join(linked))  # noqa: S308  (each piece is escaped)


@register.filter
def plain_score(score: float) -> str:
    """Two decimals, with a real minus sign where negative."""
    return f"−{abs(score):.2f}" if score < 0 else f"{score:.2f}"


@register.filter
def event_icon(kind: str) -> str:
    return EVENT_ICONS.get(Event.Type(kind), "point") if kind in Event.Type.values else "point"


@register.filter
def event_name(kind: str) -> str:
    return str(Event.Type(kind).label) if kind in Event.Type.values else kind


@register.filter
def neighbour_words(neighbour: Neighbour) -> str:
    return f"{neighbour.score:.2f} · {people(neighbour.users)}"
