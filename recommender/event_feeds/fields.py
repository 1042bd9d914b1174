"""What other systems call an event's fields and types."""

from __future__ import annotations

from collections.abc import Mapping

from recommender.event_rows import FIELDS, LIKELY_MEANT

TYPE_NAMES = {
    "read": "view",
    "watch": "view",
    "pageview": "view",
    "page_view": "view",
    "view_item": "view",
    "product viewed": "view",
    "product clicked": "click",
    "select_item": "click",
    "cart": "add_to_cart",
    "addtocart": "add_to_cart",
    "add-to-cart": "add_to_cart",
    "product added": "add_to_cart",
    "product removed": "remove_from_cart",
    "star": "favourite",
    "like": "favourite",
    "favorite": "favourite",
    "wishlist": "favourite",
    "buy": "purchase",
    "order": "purchase",
    "order completed": "purchase",
    "transaction": "purchase",
    "return": "refund",
    "rating": "rate",
    "dislike": "hide",
}


def field_name(column: str) -> str:
    """A column's name among ours, where it has one; "User_ID " -> "user"."""
    name = column.strip().lower()
    return LIKELY_MEANT.get(name, name)


def event_fields(row: Mapping[str, object]) -> dict[str, object]:
    """Only the columns that are fields of an event; exports carry many more."""
    named = {field_name(column): value for column, value in row.items()}
    return {field: named[field] for field in FIELDS if field in named}
