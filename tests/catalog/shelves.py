"""Small catalogs for the tests of labelling and review."""

from __future__ import annotations

from catalog.embedding import item_text, text_hash
from catalog.models import Item, Label, Taxonomy

GROCERIES = {"Dairy": "milk cheese butter", "Bakery": "bread rolls bagels", "Snacks": "chips popcorn pretzels"}


def make_taxonomy(slug: str = "groceries", labels: dict[str, str] | None = None, **fields: object) -> Taxonomy:
    taxonomy = Taxonomy.objects.create(slug=slug, name=slug.title(), **fields)
    for position, (name, description) in enumerate((GROCERIES if labels is None else labels).items()):
        Label.objects.create(taxonomy=taxonomy, name=name, path=name, description=description, position=position)
    return taxonomy


def make_item(external_id: str, title: str, **fields: object) -> Item:
    text = item_text(title, str(fields.get("brand", "")), str(fields.get("description", "")))
    return Item.objects.create(external_id=external_id, title=title, text_hash=text_hash(text), **fields)


def retitle(item: Item, title: str) -> None:
    item.title = title
    item.text_hash = text_hash(item_text(title, item.brand, item.description))
    item.save()
