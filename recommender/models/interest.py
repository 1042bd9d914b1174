"""What a user is interested in: several vectors in the items' space, and the labels they amount to."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import connection, models
from pgvector.django import HalfVectorField

from catalog.models import Item, Label
from catalog.models.item import complete_vector_scan
from recommender.models.user import EndUser

NEAREST_SQL = """
    SELECT found.item_id, v.position, 1 - found.distance
    FROM recommender_interestvector v
    CROSS JOIN LATERAL (
        SELECT e.item_id, e.vector <=> v.vector AS distance
        FROM catalog_itemembedding e JOIN catalog_item i ON i.id = e.item_id
        WHERE NOT i.is_hidden AND i.is_in_stock AND e.item_id <> ALL(%s::bigint[])
        ORDER BY e.vector <=> v.vector, e.item_id
        LIMIT %s
    ) found
    WHERE v.id = ANY(%s::bigint[])
    ORDER BY v.position, found.distance, found.item_id
"""
# No index knows the order by a sum, so every row that passes the filter is compared, whatever the planner's settings.
EXACT_SQL = NEAREST_SQL.replace("ORDER BY e.vector <=> v.vector,", "ORDER BY (e.vector <=> v.vector) + 0,")
LIKE_ITEMS_SQL = NEAREST_SQL.replace("recommender_interestvector v", "catalog_itemembedding v")
LIKE_ITEMS_SQL = LIKE_ITEMS_SQL.replace("v.position", "v.item_id").replace("v.id = ANY", "v.item_id = ANY")
LIKE_ITEMS_EXACT_SQL = LIKE_ITEMS_SQL.replace(
    "ORDER BY e.vector <=> v.vector,", "ORDER BY (e.vector <=> v.vector) + 0,"
)
LIKE_VECTORS_SQL = NEAREST_SQL.replace(
    "recommender_interestvector v", "unnest(%s::halfvec[]) WITH ORDINALITY v (vector, position)"
).replace("WHERE v.id = ANY(%s::bigint[])", "")
NEW_SQL = """
    SELECT fresh.id
    FROM (
        SELECT newest.id FROM (
            SELECT i.id, i.created_at FROM catalog_item i JOIN catalog_itemembedding e ON e.item_id = i.id
            WHERE NOT i.is_hidden AND i.is_in_stock
            ORDER BY i.created_at DESC, i.id DESC LIMIT %s
        ) newest
        LEFT JOIN recommender_itemstatistics s ON s.item_id = newest.id
        WHERE coalesce(s.users, 0) < %s AND newest.id <> ALL(%s::bigint[])
        ORDER BY newest.created_at DESC, newest.id DESC LIMIT %s
    ) fresh
    JOIN catalog_itemembedding e ON e.item_id = fresh.id
    LEFT JOIN recommender_interestvector v ON v.id = ANY(%s::bigint[])
    GROUP BY fresh.id
    ORDER BY min(e.vector <=> v.vector) NULLS LAST, fresh.id DESC
    LIMIT %s
"""
CLOSENESS_SQL = """
    WITH own AS (SELECT vector FROM catalog_itemembedding WHERE item_id = %(item)s),
    aim AS (
        SELECT v.vector, v.vector <=> own.vector AS distance
        FROM unnest(%(vectors)s::halfvec[]) v (vector) CROSS JOIN own ORDER BY 2 LIMIT 1
    )
    SELECT 1 + count(*) FILTER (WHERE (e.vector <=> aim.vector, e.item_id) < (aim.distance, %(item)s)), count(*)
    FROM aim CROSS JOIN catalog_itemembedding e JOIN catalog_item i ON i.id = e.item_id
    WHERE NOT i.is_hidden AND i.is_in_stock AND e.item_id <> ALL(%(without)s::bigint[])
    GROUP BY aim.distance
"""
NEW_AMONG_NEWEST = 5_000
NEW_COMPARED = 500
BROAD_FROM = 2_000
POPULAR_LOOKED_THROUGH = 1_000


class InterestVectorQuerySet(models.QuerySet["InterestVector"]):
    """Queries are given the very rows that were read, not the user: a rebuild in between must not mix two versions.

    Rows that a rebuild has replaced say nothing any more; the next list has the new ones.
    """

    def nearest_items(
        self, interests: Sequence[InterestVector], n: int, *, without: Sequence[int] = ()
    ) -> list[tuple[int, int, float]]:
        """(item, position, similarity -1..1): the n recommendable items closest to each of these interests.

        The index is asked to go on until n rows passed the filter. Where it gives up before (a selective filter, or
        many deleted rows), every row is compared: exact, and for selective filters faster. See docs/decisions/0003.
        """
        return self._nearest(NEAREST_SQL, EXACT_SQL, [interest.pk for interest in interests], n, without)

    def nearest_to_items(self, item_ids: Sequence[int], n: int, *, without: Sequence[int] = ()) -> list[int]:
        """The n recommendable items closest to each of these items, themselves left out; found as `nearest_items`."""
        found = self._nearest(LIKE_ITEMS_SQL, LIKE_ITEMS_EXACT_SQL, item_ids, n, [*without, *item_ids])
        return [item_id for item_id, _, _ in found]

    def nearest_to_vectors(
        self, vectors: Sequence[Sequence[float]], n: int, *, without: Sequence[int] = ()
    ) -> list[int]:
        """The n recommendable items closest to each of these vectors, which need not be stored; every item compared."""
        texts = [str([float(x) for x in vector]) for vector in vectors]
        with connection.cursor() as cursor:
            cursor.execute(LIKE_VECTORS_SQL, [texts, list(without), n])
            return list(dict.fromkeys(item_id for item_id, _, _ in cursor.fetchall()))

    def closeness_rank(
        self, vectors: Sequence[Sequence[float]], item_id: int, *, without: Sequence[int] = ()
    ) -> tuple[int, int] | None:
        """(place, of how many) of the item among those that may be shown, by closeness to the vector it is closest to.

        Every item is compared. None where the item has no vector.
        """
        if not vectors:
            return None
        texts = [str([float(x) for x in vector]) for vector in vectors]
        with connection.cursor() as cursor:
            cursor.execute(CLOSENESS_SQL, {"item": item_id, "vectors": texts, "without": list(without)})
            found = cursor.fetchone()
            return (int(found[0]), int(found[1])) if found else None

    def _nearest(
        self, indexed: str, exact: str, ids: Sequence[int], n: int, without: Sequence[int]
    ) -> list[tuple[int, int, float]]:
        parameters = (list(without), n, list(ids))
        # What is left out is rarely among the nearest, and the scan goes on where it is: asking for as many more rows
        # as are left out would make it ten times as long for users with a long history.
        with complete_vector_scan(n + min(n, len(without))) as are_few, connection.cursor() as cursor:
            cursor.execute(exact if are_few else indexed, parameters)
            rows = cursor.fetchall()
            if not are_few and len(rows) < n * len(ids):
                cursor.execute(exact, parameters)
                rows = cursor.fetchall()
        return rows

    def new_items(
        self, interests: Sequence[InterestVector], n: int, *, below_users: int, without: Sequence[int] = ()
    ) -> list[int]:
        """Recommendable items that fewer than `below_users` users took, the closest to any interest first.

        Among the newest of the catalog only; for a user without interests the newest come first.
        """
        ids = [interest.pk for interest in interests]
        parameters = (NEW_AMONG_NEWEST, below_users, list(without), NEW_COMPARED, ids, n)
        with connection.cursor() as cursor:
            cursor.execute(NEW_SQL, parameters)
            return [item_id for (item_id,) in cursor.fetchall()]


class InterestVector(models.Model):
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="interest_vectors")
    position = models.PositiveSmallIntegerField(help_text="0 is the strongest interest.")
    vector = HalfVectorField(dimensions=settings.EMBEDDING_DIM)
    weight = models.FloatField(help_text="Share of the user's attention, 0..1; a user's weights sum to 1.")
    medoid = models.ForeignKey(
        Item, on_delete=models.CASCADE, related_name="+", help_text="The item that stands for it."
    )
    events = models.JSONField(
        default=list, help_text="The events behind it, strongest first: [{event, item, weight}], at most 20."
    )
    labels = models.JSONField(
        default=list, help_text="What the label heads take it for: [{taxonomy, label, share}], likeliest first."
    )
    built_at = models.DateTimeField(auto_now_add=True)

    objects = InterestVectorQuerySet.as_manager()

    class Meta:
        ordering = ["user_id", "position"]
        constraints = [models.UniqueConstraint(fields=["user", "position"], name="interest_vector_position_unique")]

    def __str__(self) -> str:
        return f"interest {self.position} of user {self.user_id}"


class InterestLabelQuerySet(models.QuerySet["InterestLabel"]):
    def best_items(self, label_ids: Sequence[int], n: int, *, without: Sequence[int] = ()) -> list[int]:
        """For each label the n items that carry it most surely and may be shown; of equals the popular ones.

        Where people decided about thousands of a label's items these are all equals: then its popular items come first,
        and there is no need to read the others.
        """
        popular = self._popular_certain(self._broad(label_ids), n, without=without)
        rest = [label for label in label_ids if len(popular.get(label, ())) < n]
        found = [item for label in label_ids if label not in rest for item in popular[label]]
        if not rest:
            return found
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT ranked.item_id FROM (
                    SELECT l.item_id, row_number() OVER (
                        PARTITION BY coalesce(l.final_label_id, l.label_id)
                        ORDER BY CASE WHEN l.decision = '' THEN l.confidence ELSE 1 END DESC,
                                 s.popularity DESC NULLS LAST, l.item_id
                    ) AS place
                    FROM catalog_itemlabel l
                    JOIN catalog_item i ON i.id = l.item_id AND i.is_in_stock AND NOT i.is_hidden
                    JOIN catalog_itemembedding e ON e.item_id = i.id
                    LEFT JOIN recommender_itemstatistics s ON s.item_id = i.id
                    WHERE l.superseded_at IS NULL AND l.is_assigned
                      -- As coalesce(final_label_id, label_id) says, but through the indexes of both.
                      AND (l.final_label_id = ANY(%s::bigint[])
                           OR (l.final_label_id IS NULL AND l.label_id = ANY(%s::bigint[])))
                      AND l.item_id <> ALL(%s::bigint[])
                ) ranked
                WHERE ranked.place <= %s
                """,
                [rest, rest, list(without), n],
            )
            return found + [item_id for (item_id,) in cursor.fetchall()]

    def _broad(self, label_ids: Sequence[int]) -> list[int]:
        """Those of the labels that so many items carry that reading all of them is slow."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT label.id FROM unnest(%s::bigint[]) label (id) WHERE (
                    SELECT count(*) FROM (
                        SELECT FROM catalog_itemlabel l
                        WHERE l.label_id = label.id AND l.is_assigned AND l.superseded_at IS NULL LIMIT %s
                    ) carrying
                ) = %s
                """,
                [list(label_ids), BROAD_FROM, BROAD_FROM],
            )
            return [label_id for (label_id,) in cursor.fetchall()]

    def _popular_certain(self, label_ids: Sequence[int], n: int, *, without: Sequence[int]) -> dict[int, list[int]]:
        """Label -> the n most popular items that may be shown and carry it for certain, looked for among the most
        popular ones of all; shorter where they are not among those."""
        found: dict[int, list[int]] = {}
        if not label_ids:
            return found
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT coalesce(l.final_label_id, l.label_id) AS label_id, popular.item_id
                FROM (
                    SELECT s.item_id, s.popularity FROM recommender_itemstatistics s
                    JOIN catalog_item i ON i.id = s.item_id AND i.is_in_stock AND NOT i.is_hidden
                    JOIN catalog_itemembedding e ON e.item_id = i.id
                    WHERE s.item_id <> ALL(%s::bigint[])
                    ORDER BY s.popularity DESC, s.item_id LIMIT %s
                ) popular
                JOIN catalog_itemlabel l ON l.item_id = popular.item_id
                WHERE l.superseded_at IS NULL AND l.is_assigned AND (l.decision <> '' OR l.confidence = 1)
                  AND coalesce(l.final_label_id, l.label_id) = ANY(%s::bigint[])
                ORDER BY popular.popularity DESC, popular.item_id
                """,
                [list(without), POPULAR_LOOKED_THROUGH, list(label_ids)],
            )
            for label_id, item_id in cursor.fetchall():
                own = found.setdefault(label_id, [])
                if len(own) < n:
                    own.append(item_id)
        return found

    def label_rank(
        self, label_ids: Sequence[int], item_id: int, *, without: Sequence[int] = ()
    ) -> tuple[int, int] | None:
        """(place, of how many) of the item in the order of `best_items`, of the label where it stands best."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT place, carrying FROM (
                    SELECT l.item_id, row_number() OVER best AS place,
                           count(*) OVER (PARTITION BY coalesce(l.final_label_id, l.label_id)) AS carrying
                    FROM catalog_itemlabel l
                    JOIN catalog_item i ON i.id = l.item_id AND i.is_in_stock AND NOT i.is_hidden
                    JOIN catalog_itemembedding e ON e.item_id = i.id
                    LEFT JOIN recommender_itemstatistics s ON s.item_id = i.id
                    WHERE l.superseded_at IS NULL AND l.is_assigned
                      AND coalesce(l.final_label_id, l.label_id) IN (
                          SELECT coalesce(own.final_label_id, own.label_id) FROM catalog_itemlabel own
                          WHERE own.item_id = %(item)s AND own.superseded_at IS NULL AND own.is_assigned
                            AND coalesce(own.final_label_id, own.label_id) = ANY(%(labels)s::bigint[])
                      )
                      AND l.item_id <> ALL(%(without)s::bigint[])
                    WINDOW best AS (
                        PARTITION BY coalesce(l.final_label_id, l.label_id)
                        ORDER BY CASE WHEN l.decision = '' THEN l.confidence ELSE 1 END DESC,
                                 s.popularity DESC NULLS LAST, l.item_id
                    )
                ) ranked WHERE item_id = %(item)s ORDER BY place LIMIT 1
                """,
                {"item": item_id, "labels": list(label_ids), "without": list(without)},
            )
            found = cursor.fetchone()
            return (int(found[0]), int(found[1])) if found else None

    def carriers(self, label_ids: Sequence[int]) -> list[tuple[int, int, float]]:
        """(label, item, confidence) of every item that carries one of these labels; a person's decision is certain."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT coalesce(final_label_id, label_id), item_id, CASE WHEN decision = '' THEN confidence ELSE 1 END
                FROM catalog_itemlabel
                WHERE superseded_at IS NULL AND is_assigned
                  AND coalesce(final_label_id, label_id) = ANY(%s::bigint[])
                """,
                [list(label_ids)],
            )
            return cursor.fetchall()

    def by_popularity(self, item_ids: Sequence[int]) -> list[int]:
        """Of these items those that a label can bring into a list, the popular ones first."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT i.id FROM catalog_item i JOIN catalog_itemembedding e ON e.item_id = i.id
                LEFT JOIN recommender_itemstatistics s ON s.item_id = i.id
                WHERE i.is_in_stock AND NOT i.is_hidden AND i.id = ANY(%s::bigint[])
                ORDER BY s.popularity DESC NULLS LAST, i.id
                """,
                [list(item_ids)],
            )
            return [item_id for (item_id,) in cursor.fetchall()]

    def count_users_resting_on(self, label_ids: Sequence[int]) -> int:
        return self.users_resting_on(label_ids, n=1)[0]

    def users_resting_on(
        self, label_ids: Sequence[int], item_ids: Sequence[int] = (), *, n: int, every: int = 1
    ) -> tuple[int, list[int]]:
        """How many users have one of these labels among their interests, or an interest vector behind which stands an
        event with an item that carries one, or with one of these items; and n of them, drawn at random but the same
        for the same users. every: count only among each so-manieth user."""
        part = (
            ""
            if every == 1
            else "AND user_id = ANY(ARRAY(SELECT id FROM recommender_enduser WHERE id %% %(every)s = 0))"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH carrying AS (
                    SELECT item_id FROM catalog_itemlabel
                    WHERE superseded_at IS NULL AND is_assigned
                      AND coalesce(final_label_id, label_id) = ANY(%(labels)s::bigint[])
                    UNION SELECT unnest(%(items)s::bigint[])
                ), reached AS (
                    SELECT user_id FROM recommender_interestlabel WHERE label_id = ANY(%(labels)s::bigint[]) {part}
                    UNION
                    SELECT v.user_id FROM recommender_interestvector v
                    CROSS JOIN LATERAL jsonb_array_elements(v.events) behind
                    JOIN carrying ON carrying.item_id = (behind ->> 'item')::bigint
                    WHERE true {part}
                )
                SELECT user_id, count(*) OVER () FROM reached ORDER BY md5(user_id::text), user_id LIMIT %(n)s
                """,  # noqa: S608  (one of two constants)
                {"labels": list(label_ids), "items": list(item_ids), "n": n, "every": every},
            )
            rows = cursor.fetchall()
        return (int(rows[0][1]) if rows else 0), [user_id for user_id, _ in rows]

    def labels_of_items(self, item_ids: Sequence[int]) -> list[tuple[int, int, int, float]]:
        """(item, taxonomy, label, confidence) of what these items count as having; a person's decision is certain."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT l.item_id, l.taxonomy_id, coalesce(l.final_label_id, l.label_id),
                       CASE WHEN l.decision = '' THEN l.confidence ELSE 1 END
                FROM catalog_itemlabel l JOIN catalog_taxonomy t ON t.id = l.taxonomy_id AND t.is_active
                WHERE l.superseded_at IS NULL AND l.is_assigned AND l.item_id = ANY(%s::bigint[])
                ORDER BY l.item_id, 4 DESC, 3
                """,
                [list(item_ids)],
            )
            return cursor.fetchall()


class InterestLabel(models.Model):
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="interest_labels")
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="+")
    weight = models.FloatField(help_text="0..1; the weights of a user within a taxonomy sum to 1.")
    items = models.JSONField(default=list, help_text="Ids of the items behind it, strongest first, at most 10.")
    built_at = models.DateTimeField(auto_now_add=True)

    objects = InterestLabelQuerySet.as_manager()

    class Meta:
        ordering = ["user_id", "-weight", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "label"], name="interest_label_unique")]

    def __str__(self) -> str:
        return f"{self.label_id} of user {self.user_id}: {self.weight:.2f}"
