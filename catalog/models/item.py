"""Items and their embeddings, with every query the catalog asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import numpy as np
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorField, TrigramWordSimilarity
from django.core.validators import MinValueValidator
from django.db import connection, models, transaction
from django.db.models import Avg, Count, F, Func, GeneratedField, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Upper
from numpy.typing import NDArray
from pgvector.django import CosineDistance, HalfVectorField, HnswIndex

MEAN_SAMPLE = 5_000
FACTS = ("external_id", "brand", "price", "stock_quantity")

LOOSE_SIMILARITY = 0.4  # pg_trgm's own threshold, 0.6, misses a letter dropped from a short word


MAX_EF_SEARCH = 1_000
COMPARED_AT_MOST = 1_000
MIN_EF_SEARCH = 100  # of the demo's true nearest 99.98% are found; with 40, pgvector's own, 99.6%


@contextmanager
def complete_vector_scan(n: int) -> Iterator[bool]:
    """A transaction in which an HNSW scan goes on until n rows have passed the filter; see docs/decisions/0003.

    Without it deleted rows count too: a table with many of them answers with fewer than n. They also stand in the way
    of their neighbours until they are vacuumed. So more are looked at than are asked for, and it yields whether there
    are so few vectors that comparing all of them is as fast: then nothing is left to the index.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('hnsw.iterative_scan', 'strict_order', true),"
                " set_config('hnsw.ef_search', %s, true),"
                " (SELECT count(*) FROM (SELECT FROM catalog_itemembedding LIMIT %s) few)",
                [str(min(MAX_EF_SEARCH, max(MIN_EF_SEARCH, n))), COMPARED_AT_MOST + 1],
            )
            (_, _, vectors) = cursor.fetchone()
        yield vectors <= COMPARED_AT_MOST


class ItemQuerySet(models.QuerySet["Item"]):
    def recommendable(self) -> ItemQuerySet:
        """Items that any list may show: not hidden, in stock, embedded."""
        return self.filter(is_hidden=False, is_in_stock=True, embedding__isnull=False)

    def without_current_embedding(self) -> ItemQuerySet:
        """Items whose text has no vector yet, or changed since it got one."""
        return self.filter(Q(embedding__isnull=True) | ~Q(embedding__text_hash=F("text_hash")))

    def without_name(self) -> ItemQuerySet:
        """Items with no title of their own: none, or their id, as an import of events gives those it does not know."""
        return self.filter(Q(title="") | Q(title=F("external_id")))

    def without_price(self) -> ItemQuerySet:
        return self.filter(Q(price__isnull=True) | Q(price=0))

    def sharing_a_name(self) -> ItemQuerySet:
        """Items whose title another item has as well."""
        return self.filter(
            title__in=self.order_by().values("title").annotate(n=Count("pk")).filter(n__gt=1).values("title")
        )

    def with_embedding_hash(self) -> ItemQuerySet:
        """Adds `embedding_hash`, the hash of the text that was embedded, without dragging the vector along."""
        return self.annotate(embedding_hash=F("embedding__text_hash"))

    def nearest(self, vector: NDArray[np.float32], n: int) -> ItemQuerySet:
        """The n items closest by cosine distance (adds `distance`, 0..2); ties break by id."""
        return (
            self.filter(embedding__isnull=False)
            .annotate(distance=CosineDistance("embedding__vector", vector))
            .order_by("distance", "id")[:n]
        )

    def nearest_of_all(self, vector: NDArray[np.float32], n: int) -> ItemQuerySet:
        """As `nearest`, with every vector compared: no index can answer an order by a sum."""
        compared = self.filter(embedding__isnull=False).annotate(distance=CosineDistance("embedding__vector", vector))
        return compared.order_by(F("distance") + 0.0, "id")[:n]

    def beside(self, item: Item, n: int) -> list[Item]:
        """The n items most like this one (with `distance`), itself left out; none while it has no embedding."""
        embedding = ItemEmbedding.objects.filter(item=item).first()
        if embedding is None:
            return []
        vector = np.asarray(embedding.vector, dtype=np.float32)
        others = self.exclude(pk=item.pk)
        with complete_vector_scan(n) as are_few:
            found = list(others.nearest_of_all(vector, n) if are_few else others.nearest(vector, n))
        if len(found) < n:  # the index gave up, as it may among many deleted or equal vectors
            found = list(others.nearest_of_all(vector, n))
        return found

    def for_tiles(self) -> ItemQuerySet:
        """With the labels that a tile shows, in one more query; `tile_labels` on each item."""
        labels = apps.get_model("catalog", "ItemLabel").objects.effective().with_names()
        return self.prefetch_related(models.Prefetch("labels", queryset=labels, to_attr="tile_labels"))

    def of_brands(self, brands: Iterable[str]) -> ItemQuerySet:
        """Whatever their capitals."""
        return self.annotate(brand_lower=Lower("brand")).filter(brand_lower__in=[brand.lower() for brand in brands])

    def facts(self, item_ids: Iterable[int]) -> dict[int, tuple[str, str, Decimal | None, int | None]]:
        """(external id, brand, price, pieces in stock) of these of the items, by id."""
        rows = self.filter(pk__in=list(item_ids)).order_by("pk")
        return {pk: tuple(facts) for pk, *facts in rows.values_list("pk", *FACTS)}

    def numbered(self, ids: Iterable[int]) -> ItemQuerySet:
        """Those with these ids, however many: they travel as one array."""
        return self.filter(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [list(ids)]))

    def newest_first(self) -> ItemQuerySet:
        return self.order_by("-created_at", "-id")

    def top_brands(self, n: int) -> list[tuple[str, int]]:
        """The n brands with most items, each with its count."""
        counted = self.order_by().exclude(brand="").values_list("brand").annotate(items=Count("pk"))
        return list(counted.order_by("-items", "brand")[:n])

    def brands_like(self, text: str, n: int) -> list[tuple[str, int]]:
        """The n brands that hold this text with most items, each with its count."""
        return self.filter(brand__icontains=text).top_brands(n)

    def count_by_state(self) -> dict[str, int]:
        """How many are in_stock, sold_out, shown, hidden."""
        return self.order_by().aggregate(
            in_stock=Count("pk", filter=Q(is_in_stock=True)),
            sold_out=Count("pk", filter=Q(is_in_stock=False)),
            shown=Count("pk", filter=Q(is_hidden=False)),
            hidden=Count("pk", filter=Q(is_hidden=True)),
        )

    def search(self, text: str) -> ItemQuerySet:
        """Full text, or a title that resembles `text` (typos, CJK), best first (adds `similarity`, 0..1)."""
        query = SearchQuery(text, config="simple", search_type="websearch")
        return (
            self.annotate(similarity=TrigramWordSimilarity(text, "title"))
            .filter(
                Q(search_vector=query)
                | Q(title__trigram_word_similar=text)
                | Q(title__icontains=text)
                | Q(external_id__iexact=text)
            )
            .order_by("-similarity", "id")
        )

    def search_loosely(self, text: str) -> ItemQuerySet:
        """Titles with a word somewhat like `text`, best first (adds `similarity`); reads every title, so only for
        where `search` finds nothing."""
        resembling = self.annotate(similarity=TrigramWordSimilarity(text, "title"))
        return resembling.filter(similarity__gte=LOOSE_SIMILARITY).order_by("-similarity", "id")


class Item(models.Model):
    external_id = models.CharField(max_length=200, unique=True, help_text="The shop's own id, the one its events use.")
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True, max_length=20_000)
    brand = models.CharField(max_length=200, blank=True)
    product_type = models.CharField(
        max_length=500, blank=True, help_text="The shop's own category path, if it has one."
    )
    link = models.URLField(max_length=2000, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    price = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217, like USD.")
    is_in_stock = models.BooleanField(default=True)
    stock_quantity = models.PositiveIntegerField(
        null=True, blank=True, help_text="Pieces left, where the shop says; whether it may be sold is is_in_stock."
    )
    is_hidden = models.BooleanField(
        default=False, help_text="A hidden item is in no list, whatever else is configured."
    )
    attributes = models.JSONField(default=dict, blank=True, help_text="Anything else the shop sent; shown, not used.")
    text_hash = models.CharField(
        max_length=64, db_index=True, editable=False, help_text="sha256 of the text that is embedded and labelled."
    )
    published_at = models.DateTimeField(null=True, blank=True, help_text="When the shop put it on sale.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    search_vector = GeneratedField(
        expression=SearchVector("title", "brand", "description", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = ItemQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["search_vector"], name="item_search"),
            GinIndex(OpClass("title", name="gin_trgm_ops"), name="item_title_trigram"),
            models.Index(fields=["-created_at", "-id"], name="item_newest"),
            models.Index(Upper("external_id"), name="item_external_id_upper"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_recommendable(self) -> bool:
        """False where no list may show it. Embedding apart: that is a matter of minutes."""
        return self.is_in_stock and not self.is_hidden


class ItemEmbeddingQuerySet(models.QuerySet["ItemEmbedding"]):
    def matrix(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Item ids, ascending, and their vectors (n, dim), read in pgvector's binary form."""
        rows = list(
            self.order_by("item_id")
            .annotate(packed=Func(F("vector"), function="halfvec_send", output_field=models.BinaryField()))
            .values_list("item_id", "packed")
        )
        ids = np.array([item_id for item_id, _ in rows], dtype=np.int64)
        # Two bytes of dimension and two unused come before the components, big-endian halves.
        packed = b"".join(bytes(vector)[4:] for _, vector in rows)
        vectors = np.frombuffer(packed, dtype=">f2").astype(np.float32)
        return ids, vectors.reshape(len(ids), settings.EMBEDDING_DIM)

    def mean(self) -> NDArray[np.float32]:
        """The mean of the first vectors by item id: enough to centre by, at a cost that does not grow."""
        mean = self.order_by("item_id")[:MEAN_SAMPLE].aggregate(mean=Avg("vector"))["mean"]
        return np.array(mean if mean is not None else np.zeros(settings.EMBEDDING_DIM), dtype=np.float32)

    def model_in_use(self) -> str:
        """The embedding model behind the vectors, told by the first of them; '' where there are none."""
        return self.order_by("item_id").values_list("model", flat=True).first() or ""

    def vectors_by_text(self, text_hashes: Iterable[str], *, model: str) -> dict[str, NDArray[np.float32]]:
        """text hash -> the vector this model gave that text, for those of the texts that some item has."""
        rows = (
            self.filter(item__text_hash__in=list(text_hashes), text_hash=F("item__text_hash"), model=model)
            .order_by("text_hash", "item_id")
            .distinct("text_hash")
            .values_list("text_hash", "vector")
        )
        return {text_hash: np.asarray(vector, dtype=np.float32) for text_hash, vector in rows}


class ItemEmbedding(models.Model):
    """Its own table, so that lists of items never drag vectors along."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="embedding")
    vector = HalfVectorField(dimensions=settings.EMBEDDING_DIM)
    model = models.CharField(max_length=100)
    text_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now=True)

    objects = ItemEmbeddingQuerySet.as_manager()

    class Meta:
        indexes = [
            HnswIndex(
                name="item_embedding_hnsw",
                fields=["vector"],
                m=16,
                ef_construction=64,
                opclasses=["halfvec_cosine_ops"],
            )
        ]

    def __str__(self) -> str:
        return f"embedding of item {self.item_id}"


class ItemPopularity(models.Model):
    """How much an item is touched, as the recommender counted it; the review queue puts what is seen most first."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="popularity")
    share = models.FloatField(help_text="0..1: of the touches of the most touched item, logarithmic.")

    def __str__(self) -> str:
        return f"popularity of item {self.item_id}"
