"""The shapes of the catalog's API. Input shapes describe the schema; `catalog.items` validates. None of them writes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import Item, ItemLabel, Label, Taxonomy


class ItemInput(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=200, help_text="The shop's own id, the one its events use.")
    title = serializers.CharField(max_length=500)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    brand = serializers.CharField(max_length=200, required=False, allow_blank=True)
    product_type = serializers.CharField(max_length=500, required=False, allow_blank=True)
    link = serializers.URLField(max_length=2000, required=False, allow_blank=True)
    image_url = serializers.URLField(max_length=2000, required=False, allow_blank=True)
    price = serializers.DecimalField(
        max_digits=12,
        decimal_places=2,
        min_value=0,
        required=False,
        allow_null=True,
        help_text="A number, or text like '12.99 USD'.",
    )
    currency = serializers.CharField(max_length=3, required=False, allow_blank=True, help_text="ISO 4217.")
    is_in_stock = serializers.BooleanField(required=False, help_text="Keeps its value where absent; true when new.")
    stock_quantity = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="Pieces left. Keeps its value where absent."
    )
    is_hidden = serializers.BooleanField(required=False, help_text="Keeps its value where absent; false when new.")
    attributes = serializers.DictField(required=False, help_text="Anything else; unknown fields end up here too.")
    published_at = serializers.DateTimeField(required=False, allow_null=True)


class ItemReplacement(ItemInput):
    """A whole item whose id is in the address."""

    external_id = serializers.CharField(max_length=200, required=False)


class ItemChange(ItemReplacement):
    title = serializers.CharField(max_length=500, required=False)


class RejectionOutput(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="Position in the call, from 1.")
    external_id = serializers.CharField()
    field = serializers.CharField(help_text="Empty where the whole row is at fault.")
    message = serializers.CharField()


class UpsertOutput(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    repeated = serializers.IntegerField(help_text="Rows whose id came again later in the call; the last one won.")
    into_attributes = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Fields that are none of an item's, kept as attributes: name to rows.",
    )
    rejected = RejectionOutput(many=True)


class ItemLabelOutput(serializers.Serializer[ItemLabel]):
    taxonomy = serializers.CharField(source="taxonomy.slug")
    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    path = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    confidence = serializers.FloatField(help_text="Of the suggestion, 0..1.")
    suggested = serializers.CharField(source="label.path", help_text="What the model said; never changed.")
    source = serializers.ChoiceField(choices=ItemLabel.Source.choices)  # type: ignore[assignment]
    model = serializers.CharField()
    evidence = serializers.CharField()

    def get_label(self, item_label: ItemLabel) -> str:
        return (item_label.final_label or item_label.label).name

    def get_path(self, item_label: ItemLabel) -> str:
        return (item_label.final_label or item_label.label).path

    @extend_schema_field(serializers.ChoiceField(choices=["suggested", *ItemLabel.Decision.values]))
    def get_state(self, item_label: ItemLabel) -> str:
        return item_label.decision or "suggested"


class EmbeddingOutput(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        choices=["current", "outdated", "waiting"], help_text="waiting: in no list yet; outdated: the text has changed."
    )


class ItemOutput(serializers.ModelSerializer[Item]):
    labels = ItemLabelOutput(many=True, source="told_labels", read_only=True)
    embedding = serializers.SerializerMethodField()
    is_recommendable = serializers.SerializerMethodField(help_text="In stock, not hidden, and embedded.")

    class Meta:
        model = Item
        fields = [
            "external_id",
            "title",
            "description",
            "brand",
            "product_type",
            "link",
            "image_url",
            "price",
            "currency",
            "is_in_stock",
            "stock_quantity",
            "is_hidden",
            "is_recommendable",
            "attributes",
            "published_at",
            "created_at",
            "updated_at",
            "embedding",
            "labels",
        ]

    @extend_schema_field(EmbeddingOutput)
    def get_embedding(self, item: Any) -> dict[str, str]:
        if item.embedding_hash is None:
            return {"status": "waiting"}
        return {"status": "current" if item.embedding_hash == item.text_hash else "outdated"}

    def get_is_recommendable(self, item: Any) -> bool:
        return bool(item.is_recommendable and item.embedding_hash is not None)


class LabelOutput(serializers.ModelSerializer[Label]):
    parent = serializers.IntegerField(source="parent_id", allow_null=True)  # type: ignore[assignment]
    names = serializers.SerializerMethodField(help_text="What it is called in other languages: code to name.")
    merged_into = serializers.SerializerMethodField(
        help_text="The path of the label that it became part of; null where it did not."
    )

    class Meta:
        model = Label
        fields = [
            "id",
            "name",
            "names",
            "path",
            "parent",
            "external_id",
            "description",
            "description_source",
            "icon",
            "is_deprecated",
            "merged_into",
        ]

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_names(self, label: Label) -> dict[str, str]:
        return {name.language: name.name for name in label.names.all()}

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_merged_into(self, label: Label) -> str | None:
        return label.merged_into.path if label.merged_into else None


class FoundLabelOutput(LabelOutput):
    shown_name = serializers.SerializerMethodField(help_text="Its name in the language asked for, or its own.")

    class Meta(LabelOutput.Meta):
        fields = [*LabelOutput.Meta.fields, "shown_name"]

    def get_shown_name(self, label: Label) -> str:
        return label.shown_name(self.context.get("language", ""))


class TaxonomyOutput(serializers.ModelSerializer[Taxonomy]):
    labels = LabelOutput(many=True)

    class Meta:
        model = Taxonomy
        fields = ["slug", "name", "description", "question", "choice", "is_active", "abstain_below", "labels"]
