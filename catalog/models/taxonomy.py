"""Taxonomies: named sets of labels an item can carry, flat or as a tree."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models.functions import Coalesce
from django.utils.translation import get_language, gettext_lazy
from numpy.typing import NDArray
from pgvector.django import HalfVectorField

# What separates words in a name, for finding one by the beginning of any of its words.
PUNCTUATION = "-/&,.()'\"[]+:;>"
LIKENESS = 0.33  # of a misspelt word to a part of a name, 0..1: two letters of five swapped

# Three steps, each only where those before found too little. They read every name of the taxonomy, which at 10,000
# labels takes some ten milliseconds (docs/taxonomies.md), so they need no index of their own.
EVERY_NAME_SQL = """
    FROM catalog_label l
    JOIN (
        SELECT id AS label_id, lower(name) AS name FROM catalog_label
        UNION ALL SELECT label_id, lower(name) FROM catalog_labelname
    ) named ON named.label_id = l.id
"""
ASKED_SQL = """
    (%(taxonomy)s::bigint IS NULL OR l.taxonomy_id = %(taxonomy)s)
    AND l.id <> ALL(%(found)s::bigint[])
    AND NOT (%(assignable)s AND (l.is_deprecated OR EXISTS (
        SELECT FROM catalog_label child WHERE child.parent_id = l.id AND NOT child.is_deprecated)))
"""
# The name itself (or its id elsewhere), begins so, has a word that begins so, holds it.
BY_NAME_SQL = f"""
    SELECT l.id {EVERY_NAME_SQL}
    WHERE (strpos(named.name, lower(%(text)s)) > 0 OR l.external_id = %(text)s) AND {ASKED_SQL}
    GROUP BY l.id
    ORDER BY min(CASE
        WHEN named.name = lower(%(text)s) OR l.external_id = %(text)s THEN 0
        WHEN starts_with(named.name, lower(%(text)s)) THEN 1
        WHEN strpos(translate(named.name, %(punctuation)s, %(spaces)s), ' ' || lower(%(text)s)) > 0 THEN 2
        ELSE 3 END), l.is_deprecated, length(l.name), l.path, l.id
    LIMIT %(limit)s
"""
# Every word in the path: first where the name has more of them.
BY_PATH_SQL = f"""
    SELECT l.id FROM catalog_label l
    WHERE NOT EXISTS (SELECT FROM unnest(%(words)s::text[]) word WHERE strpos(lower(l.path), lower(word)) = 0)
      AND {ASKED_SQL}
    ORDER BY (
        SELECT count(*) FROM unnest(%(words)s::text[]) word WHERE strpos(lower(l.name), lower(word)) > 0
    ) DESC, l.is_deprecated, length(l.path), l.path, l.id
    LIMIT %(limit)s
"""  # noqa: S608  (ASKED_SQL is a constant)
BY_LIKENESS_SQL = f"""
    SELECT l.id {EVERY_NAME_SQL}
    WHERE {ASKED_SQL}
    GROUP BY l.id HAVING max(word_similarity(lower(%(text)s), named.name)) >= %(likeness)s
    ORDER BY max(word_similarity(lower(%(text)s), named.name)) DESC, l.is_deprecated, length(l.name), l.path, l.id
    LIMIT %(limit)s
"""
MOST_FOUND = 1_000

WITHIN_SQL = """
    WITH RECURSIVE branch (id) AS (
        SELECT unnest(%(roots)s::bigint[])
        UNION
        SELECT l.id FROM branch JOIN catalog_label l ON l.parent_id = branch.id
    )
    SELECT id FROM branch ORDER BY id
"""
# Of each label itself and what it became, step by step. An imported file may go in a circle.
FOLLOWED_SQL = """
    WITH RECURSIVE followed (root_id, id, step) AS (
        SELECT root, root, 0 FROM unnest(%(roots)s::bigint[]) root
        UNION ALL
        SELECT followed.root_id, l.merged_into_id, followed.step + 1
        FROM followed JOIN catalog_label l ON l.id = followed.id
        WHERE l.merged_into_id IS NOT NULL
    ) CYCLE id SET is_circle USING passed
"""
BRANCHES_SQL = f"""
    {FOLLOWED_SQL}, branch (root_id, id) AS (
        SELECT root_id, id FROM followed
        UNION
        SELECT branch.root_id, l.id FROM branch JOIN catalog_label l ON l.parent_id = branch.id
    )
    SELECT root_id, array_agg(id) FROM branch GROUP BY root_id
"""  # noqa: S608  (FOLLOWED_SQL is a constant)
MERGED_INTO_SQL = f"""
    {FOLLOWED_SQL}
    SELECT DISTINCT ON (root_id) root_id, id FROM followed
    WHERE step > 0 AND NOT is_circle AND id <> root_id ORDER BY root_id, step DESC
"""  # noqa: S608
COUNT_WITHIN_SQL = """
    WITH RECURSIVE branch (root_id, id) AS (
        SELECT id, id FROM catalog_label WHERE id = ANY(%(roots)s::bigint[])
        UNION ALL
        SELECT branch.root_id, l.id FROM branch JOIN catalog_label l ON l.parent_id = branch.id
    )
    SELECT branch.root_id, count(DISTINCT carried.item_id)
    FROM branch JOIN (
        SELECT item_id, coalesce(final_label_id, label_id) AS label_id FROM catalog_itemlabel
        WHERE superseded_at IS NULL AND is_assigned AND taxonomy_id IN (
            SELECT taxonomy_id FROM catalog_label WHERE id = ANY(%(roots)s::bigint[]))
    ) carried ON carried.label_id = branch.id
    GROUP BY branch.root_id
"""


class TaxonomyQuerySet(models.QuerySet["Taxonomy"]):
    def locked(self) -> TaxonomyQuerySet:
        """Locked until the transaction ends: one at a time edits a taxonomy's tree. Suggestions can still be stored."""
        return self.select_for_update(of=("self",), no_key=True).order_by("pk")

    def with_figures(self) -> TaxonomyQuerySet:
        """Adds `labels_count` (in use), `described_count`, `by_model_count` (described, and by the language model),
        `items_count` and `waiting_count` (labelled, and waiting for review)."""
        from catalog.models.item_label import ItemLabel  # which imports this module

        def counted(rows: models.QuerySet[Any], key: str) -> Coalesce:
            of_one = rows.filter(taxonomy=models.OuterRef("pk")).order_by().values("taxonomy")
            counted = of_one.annotate(n=models.Count(key, distinct=key != "pk")).values("n")
            return Coalesce(models.Subquery(counted), 0)

        in_use = Label.objects.filter(is_deprecated=False)
        described = in_use.exclude(description="")
        by_model = described.filter(description_source=Label.DescriptionSource.LANGUAGE_MODEL)
        return self.annotate(
            labels_count=counted(in_use, "pk"),
            described_count=counted(described, "pk"),
            by_model_count=counted(by_model, "pk"),
            items_count=counted(ItemLabel.objects.current().filter(is_assigned=True), "item_id"),
            waiting_count=counted(ItemLabel.objects.awaiting_review(), "item_id"),
        ).order_by("position", "id")


class Taxonomy(models.Model):
    class Choice(models.TextChoices):
        SINGLE = "single", gettext_lazy("One label an item")
        MULTIPLE = "multiple", gettext_lazy("Any number of labels an item")

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, help_text="What these labels are for, in one sentence.")
    question = models.CharField(
        max_length=200,
        default="Which category fits this product best?",
        help_text="What the language model is asked about an item.",
    )
    choice = models.CharField(max_length=10, choices=Choice.choices, default=Choice.SINGLE)
    is_active = models.BooleanField(default=True, help_text="New items are labelled against active taxonomies only.")
    abstain_below = models.FloatField(
        default=0.2,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="A suggestion less sure than this gives its item no label until somebody decides.",
    )
    position = models.PositiveSmallIntegerField(default=0)

    objects = TaxonomyQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]
        verbose_name_plural = "taxonomies"

    def __str__(self) -> str:
        return self.name


class LabelQuerySet(models.QuerySet["Label"]):
    def with_item_counts(self) -> LabelQuerySet:
        """Adds `items_count`: how many items carry the label, suggested or decided."""
        from catalog.models.item_label import ItemLabel  # which imports this module

        one = models.OuterRef("pk")
        counted = (
            ItemLabel.objects.current()
            .filter(is_assigned=True)
            .filter(models.Q(final_label=one) | models.Q(final_label__isnull=True, label=one))
            .order_by()
            .annotate(count=models.Func("pk", function="COUNT", output_field=models.IntegerField()))
        )
        return self.annotate(items_count=models.Subquery(counted.values("count")))

    def below(self, path: str) -> LabelQuerySet:
        """The label at `path` in any taxonomy, and every label under it."""
        return self.filter(models.Q(path__iexact=path) | models.Q(path__istartswith=f"{path} > "))

    def assignable(self) -> LabelQuerySet:
        """Labels an item may get: leaves of the tree that are not deprecated."""
        return self.filter(is_deprecated=False).exclude(children__is_deprecated=False)

    def digest(self) -> str:
        """Of what labelling reads of these labels: another one where any was added, renamed, moved or described."""
        read = hashlib.sha256()
        for row in self.order_by("pk").values_list("pk", "path", "description").distinct().iterator():
            read.update(repr(row).encode())
        return read.hexdigest()[:16]

    def undescribed(self) -> LabelQuerySet:
        """Assignable labels that nobody described, and that the language model was not asked about in vain."""
        return self.assignable().filter(description="", description_source="")

    def described_by_model(self) -> LabelQuerySet:
        """Assignable labels that the language model described, or was asked about in vain."""
        return self.assignable().filter(description_source=Label.DescriptionSource.LANGUAGE_MODEL)

    def open_to_model(self) -> LabelQuerySet:
        """Labels whose description the language model may write: there is none yet, or it is the model's own."""
        return self.exclude(description_source=Label.DescriptionSource.PERSON).filter(
            models.Q(description="") | models.Q(description_source=Label.DescriptionSource.LANGUAGE_MODEL)
        )

    def with_every_name(self) -> LabelQuerySet:
        """With the names in other languages, in one more query, for `shown_name`."""
        return self.prefetch_related("names")

    def found(
        self, text: str, *, taxonomy_id: int | None = None, only_assignable: bool = False, limit: int = MOST_FOUND
    ) -> list[int]:
        """The ids of labels that `text` may mean, best first: the name itself, a name or a word that begins with it, a
        name that holds it, a path with all its words, a name that resembles it. Names in any language count."""
        sought = " ".join(text.replace("\x00", "").split())[:200]
        if not sought:
            return []
        spaces = " " * len(PUNCTUATION)
        asked = {
            "text": sought,
            "words": sought.translate(str.maketrans(PUNCTUATION, spaces)).split() or [sought],
            "punctuation": PUNCTUATION,
            "spaces": spaces,
            "taxonomy": taxonomy_id,
            "assignable": only_assignable,
            "likeness": LIKENESS,
        }
        found: list[int] = []
        with connection.cursor() as cursor:
            # Names that only resemble what is sought help where nothing has it as it is written.
            for sql, enough in ((BY_NAME_SQL, limit), (BY_PATH_SQL, limit), (BY_LIKENESS_SQL, 1)):
                if len(found) >= enough or (sql is BY_LIKENESS_SQL and len(sought) < 3):
                    continue
                cursor.execute(sql, {**asked, "found": found, "limit": limit - len(found)})
                found += [label_id for (label_id,) in cursor.fetchall()]
        return found

    def in_order(self, ids: Sequence[int]) -> list[Label]:
        """These of the labels, in the order of their ids as given."""
        by_id = {label.pk: label for label in self.filter(pk__in=ids)}
        return [by_id[pk] for pk in ids if pk in by_id]

    def ids_within(self, roots: Sequence[int]) -> list[int]:
        """The ids of these labels and of all that lie below them."""
        with connection.cursor() as cursor:
            cursor.execute(WITHIN_SQL, {"roots": list(roots)})
            return [label_id for (label_id,) in cursor.fetchall()]

    def branches(self, roots: Sequence[int]) -> dict[int, frozenset[int]]:
        """Of each of these labels its own id and those of all that lie below it, or below what it was merged into.

        What lies below and was merged elsewhere is not followed: it belongs there now.
        """
        with connection.cursor() as cursor:
            cursor.execute(BRANCHES_SQL, {"roots": list(roots)})
            return {root: frozenset(found) for root, found in cursor.fetchall()}

    def merged_into(self, label_ids: Sequence[int]) -> dict[int, int]:
        """Of those of these labels that were merged the one they are now, over any number of merges."""
        with connection.cursor() as cursor:
            cursor.execute(MERGED_INTO_SQL, {"roots": list(label_ids)})
            return dict(cursor.fetchall())

    def count_items_within(self, roots: Sequence[int]) -> dict[int, int]:
        """How many items carry each of these labels or one below it, after corrections; 0 is left out."""
        with connection.cursor() as cursor:
            cursor.execute(COUNT_WITHIN_SQL, {"roots": list(roots)})
            return dict(cursor.fetchall())

    def for_tree(self) -> LabelQuerySet:
        """In the order of the tree, with `children_count` and every name."""
        children = Label.objects.filter(parent=models.OuterRef("pk")).order_by().values("parent")
        counted = models.Subquery(children.annotate(n=models.Count("pk")).values("n"))
        return self.annotate(children_count=Coalesce(counted, 0)).with_every_name().order_by("position", "id")


class Label(models.Model):
    class DescriptionSource(models.TextChoices):
        PERSON = "person", gettext_lazy("Person")
        LANGUAGE_MODEL = "language_model", gettext_lazy("Language model")

    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.CASCADE, related_name="labels")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    name = models.CharField(max_length=200)
    path = models.CharField(max_length=1000, help_text='Names from the root, joined by " > ".')
    description = models.TextField(blank=True, help_text="What belongs here; the model reads it.")
    description_source = models.CharField(max_length=20, choices=DescriptionSource.choices, blank=True, default="")
    icon = models.CharField(max_length=40, blank=True, help_text="Tabler icon name for tiles without an image.")
    is_deprecated = models.BooleanField(default=False)
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged")
    external_id = models.CharField(
        max_length=100, blank=True, default="", help_text="Its id in the taxonomy it came from, such as Google's 166."
    )
    position = models.PositiveIntegerField(default=0)

    objects = LabelQuerySet.as_manager()

    class Meta:
        ordering = ["taxonomy_id", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["taxonomy", "path"], name="label_path_unique")]

    def __str__(self) -> str:
        return self.name

    def shown_name(self, language: str = "") -> str:
        """Its name in this language, or in the reader's; its own name where it has none there. Prefetch `names`."""
        wanted = (language or get_language() or "").lower()
        spelled = {name.language.lower(): name.name for name in self.names.all()}
        return spelled.get(wanted) or spelled.get(wanted.partition("-")[0]) or self.name


class LabelName(models.Model):
    """What a label is called in another language; `Label.name` is what labelling reads."""

    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="names")
    language = models.CharField(max_length=10, help_text='A language code such as "zh-hans".')
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["label_id", "language"]
        constraints = [models.UniqueConstraint(fields=["label", "language"], name="label_name_unique")]

    def __str__(self) -> str:
        return self.name


class LabelEmbeddingQuerySet(models.QuerySet["LabelEmbedding"]):
    def rows(self, label_ids: Sequence[int]) -> NDArray[np.float32]:
        """(n, dim) in the order of `label_ids`. Raises KeyError where one has no embedding yet."""
        found = dict(self.filter(label_id__in=label_ids).values_list("label_id", "vector"))
        return np.stack([np.asarray(found[pk], dtype=np.float32) for pk in label_ids])


class LabelEmbedding(models.Model):
    label = models.OneToOneField(Label, on_delete=models.CASCADE, primary_key=True, related_name="embedding")
    vector = HalfVectorField(dimensions=settings.EMBEDDING_DIM)
    model = models.CharField(max_length=100)
    text_hash = models.CharField(max_length=64)

    objects = LabelEmbeddingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"embedding of label {self.label_id}"
