"""The interest map: where each item stands on a two-dimensional projection of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db import connection, models, transaction
from numpy.typing import NDArray

from catalog.models import Item

# The items are locked against deletion: one that went while the map was computed is left out.
REPLACE_SQL = """
    INSERT INTO recommender_itemplace (item_id, x, y, built_at)
    SELECT i.id, n.x, n.y, %s
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[]) AS n (item_id, x, y) JOIN catalog_item i ON i.id = n.item_id
    ORDER BY i.id FOR KEY SHARE OF i
    ON CONFLICT (item_id) DO UPDATE SET x = excluded.x, y = excluded.y, built_at = excluded.built_at
"""
# One item of every cell, and more of a full one, so that neither outliers nor crowds disappear.
SPREAD_SQL = """
    WITH placed AS (
        SELECT item_id, x, y, floor(x * %(grid)s) AS across, floor(y * %(grid)s) AS down FROM recommender_itemplace
    ), sizes AS (
        SELECT (SELECT count(*) FROM placed) AS items,
               (SELECT count(*) FROM (SELECT DISTINCT across, down FROM placed) cell) AS cells
    )
    SELECT sampled.item_id, sampled.x, sampled.y, i.title
    FROM (
        SELECT item_id, x, y, count(*) OVER (PARTITION BY across, down) AS fellows,
               row_number() OVER (PARTITION BY across, down ORDER BY hashint8(item_id), item_id) AS place
        FROM placed
    ) sampled
    CROSS JOIN sizes
    JOIN catalog_item i ON i.id = sampled.item_id
    WHERE sampled.place <= 1 + sampled.fellows * (%(most)s - sizes.cells) / sizes.items
    ORDER BY sampled.item_id LIMIT %(most)s
"""
CELLS_SQL = """
    SELECT least(%(grid)s - 1, floor(p.x * %(grid)s))::int, least(%(grid)s - 1, floor(p.y * %(grid)s))::int,
           coalesce(l.final_label_id, l.label_id), count(*), sum(p.x), sum(p.y)
    FROM recommender_itemplace p
    JOIN catalog_itemlabel l ON l.item_id = p.item_id AND l.superseded_at IS NULL AND l.is_assigned
    WHERE l.taxonomy_id = %(taxonomy)s
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class ItemPlaceQuerySet(models.QuerySet["ItemPlace"]):
    def built_at(self) -> datetime | None:
        """Of the map; all its places are written at once. None where there is no map yet."""
        return self.order_by("pk").values_list("built_at", flat=True).first()

    def places_of(self, item_ids: Sequence[int]) -> dict[int, tuple[float, float]]:
        rows = self.filter(pk__in=item_ids).order_by("pk").values_list("pk", "x", "y")
        return {pk: (x, y) for pk, x, y in rows}

    def replace_all(self, item_ids: Sequence[int], places: NDArray[np.float64], built_at: datetime) -> int:
        """These and no others, in one transaction. places: (n, 2). Returns how many items were still there."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(REPLACE_SQL, [built_at, list(item_ids), places[:, 0].tolist(), places[:, 1].tolist()])
            written = int(cursor.rowcount)
            self.exclude(built_at=built_at).delete()
        return written

    def spread(self, most: int, *, grid: int) -> list[tuple[int, float, float, str]]:
        """(item, x, y, title) of at most `most` places, spread over a grid of so many cells each way; grid² < most."""
        with connection.cursor() as cursor:
            cursor.execute(SPREAD_SQL, {"grid": grid, "most": most})
            return cursor.fetchall()

    def count_labels_by_cell(self, taxonomy_id: int, *, grid: int) -> list[tuple[int, int, int, int, float, float]]:
        """(column, row, label, items, sum of x, sum of y) for each label that items of a cell count as having."""
        with connection.cursor() as cursor:
            cursor.execute(CELLS_SQL, {"grid": grid, "taxonomy": taxonomy_id})
            return cursor.fetchall()


class ItemPlace(models.Model):
    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="place")
    x = models.FloatField(help_text="0..1 over the whole map.")
    y = models.FloatField(help_text="0..1 over the whole map.")
    built_at = models.DateTimeField()

    objects = ItemPlaceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"item {self.item_id} at {self.x:.2f}, {self.y:.2f}"
