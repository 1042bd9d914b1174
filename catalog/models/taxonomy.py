"""Taxonomies: named sets of labels an item can carry, flat or as a tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray
from pgvector.django import HalfVectorField


class Taxonomy(models.Model):
    class Choice(models.TextChoices):
        SINGLE = "single", "One label an item"
        MULTIPLE = "multiple", "Any number of labels an item"

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
