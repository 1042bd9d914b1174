"""Label requests."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.models import Item, LabelRequest, Taxonomy


def request_labels(item_ids: Sequence[int], *, taxonomy_ids: Sequence[int] | None = None) -> int:
    taxonomies = Taxonomy.objects.filter(is_active=True)
    if taxonomy_ids is not None:
        taxonomies = taxonomies.filter(pk__in=taxonomy_ids)
    rows = [
        LabelRequest(item_id=pk, taxonomy=taxonomy, text_hash=text_hash)
        for pk, text_hash in Item.objects.filter(pk__in=item_ids).values_list("pk", "text_hash")
        for taxonomy in taxonomies
    ]
    LabelRequest.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["item", "taxonomy"], update_fields=["text_hash", "status"]
    )
    return len(rows)
