"""Small catalogs for the tests of labelling and review."""

from __future__ import annotations

from django.contrib.auth.models import User

from catalog import learning, rescoring, review
from catalog.embedding import item_text, text_hash
from catalog.labelling import label_waiting, request_labels
from catalog.models import Item, ItemLabel, Label, Taxonomy
from tests.fakes import FakeChatModel

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


def dairy_lover(name="fake-chat"):
    return FakeChatModel(lambda user: {"Dairy": 0.8, "Bakery": 0.1, "Snacks": 0.1}, name=name)


def current(item, taxonomy=None):
    rows = ItemLabel.objects.of_items([item.pk]).current().select_related("label").order_by("taxonomy_id", "rank")
    return [row for row in rows if taxonomy is None or row.taxonomy_id == taxonomy.pk]


def told(item):
    return [(row.label.name, row.source, row.is_assigned) for row in current(item)]


def drain(**options):
    reports = []
    while (report := label_waiting(100, **options)).worked:
        reports.append(report)
    return reports


def tied_item(external_id="mix"):
    """Between Dairy and Bakery, so that the embeddings are not sure."""
    return make_item(external_id, "milk bread")


def shelf(n: int, word: str, prefix: str) -> list[Item]:
    """Items that say `word` and bread in equal parts, and a word of their own; asked for."""
    items = [make_item(f"{prefix}-{place}", f"bread {word} extra{prefix}{place}") for place in range(n)]
    request_labels([item.pk for item in items])
    return items


def decide(items: list[Item], taxonomy: Taxonomy, label_name: str, staff: User) -> None:
    label = taxonomy.labels.get(name=label_name)
    for item in items:
        review.correct(current(item, taxonomy)[0].pk, label.pk, reviewer=staff)


def retrain(taxonomy_id):
    """Train and say all labels anew, as the job does in turns."""
    head = learning.train(taxonomy_id)
    if head is not None:
        rescoring.rescore(taxonomy_id)
    return head
