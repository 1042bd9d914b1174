"""Lists and neighbours out of the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from catalog.models import Item
from catalog.serializers import ItemLabelOutput
from recommender.algorithms.sources import SOURCES
from recommender.explanations import LANGUAGE_MODEL, RULES
from recommender.models import Neighbour, Rule
from recommender.scopes import MOST_VALUES
from recommender.slates import MAX_N, RankedItem, RecommendedList, ScorePart

PRICE: dict[str, Any] = {"required": False, "max_digits": 12, "decimal_places": 2, "min_value": Decimal(0)}


class NeighbourQuerySerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField(required=False, default=12, min_value=1, max_value=MAX_N, help_text="List length.")


class RecommendationQuerySerializer(NeighbourQuerySerializer):
    repeats = serializers.ChoiceField(
        choices=["exclude", "allow"],
        required=False,
        help_text="Whether items the user took lately may come again; the strategy decides where it is left out.",
    )
    strategy = serializers.CharField(
        required=False, max_length=100, help_text="Name of a strategy; the live one where it is left out."
    )
    placement = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=100,
        help_text="Where on the page the list stands, as rules and experiments name it.",
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=1_200),
        required=False,
        max_length=MOST_VALUES,
        help_text="Only items with one of these labels or one below it: an id, or `taxonomy:path`. Repeat for several.",
    )
    brand = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=MOST_VALUES,
        help_text="Only items of one of these brands, whatever their capitals. Repeat for several.",
    )
    items = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=MOST_VALUES,
        help_text="Only items among these, your ids. Repeat for several.",
    )
    price_from = serializers.DecimalField(**PRICE, help_text="Only items that cost at least this.")
    price_to = serializers.DecimalField(**PRICE, help_text="Only items that cost at most this.")
    stock_from = serializers.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, help_text="Only items with at least so many pieces left."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        low, high = attrs.get("price_from"), attrs.get("price_to")
        if low is not None and high is not None and low > high:
            raise serializers.ValidationError({"price_from": f"Prices run from {low} to {high}; swap the two."})
        return attrs


class ListedItemSerializer(serializers.ModelSerializer[Item]):
    class Meta:
        model = Item
        fields = ["external_id", "title", "brand", "price", "currency", "image_url", "link"]


class LabelledItemSerializer(ListedItemSerializer):
    labels = ItemLabelOutput(many=True, source="effective_labels", read_only=True)

    class Meta(ListedItemSerializer.Meta):
        fields = [*ListedItemSerializer.Meta.fields, "labels"]


class ScorePartSerializer(serializers.Serializer[ScorePart]):
    source = serializers.ChoiceField(choices=(*SOURCES, RULES, LANGUAGE_MODEL))  # type: ignore[assignment]
    raw = serializers.FloatField(help_text="The source's own score, on its own scale.")
    z = serializers.FloatField(help_text="The same in standard deviations from the candidates' mean.")
    weight = serializers.FloatField(help_text="What the strategy gives the source; the weights of a list sum to 1.")
    by_trees = serializers.FloatField(
        help_text="What boosted trees read from the source, in combination with the others."
    )
    contribution = serializers.FloatField(help_text="weight * z + by_trees; the contributions add up to the score.")
    words = serializers.CharField(allow_blank=True)


class RuleTouchSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    action = serializers.ChoiceField(choices=[Rule.Action.PIN.value, Rule.Action.BOOST.value, Rule.Action.BURY.value])


class RankedItemSerializer(serializers.Serializer[RankedItem]):
    position = serializers.IntegerField()
    item = LabelledItemSerializer()
    score = serializers.FloatField()
    parts = ScorePartSerializer(many=True)
    why = serializers.ListField(child=serializers.CharField(), source="sentences", help_text="Strongest reason first.")
    rules = RuleTouchSerializer(many=True, help_text="That moved or pinned the item, strongest first; mostly none.")


class RecommendedListSerializer(serializers.Serializer[RecommendedList]):
    user = serializers.CharField(source="user_external_id")
    is_known_user = serializers.BooleanField()
    notice = serializers.CharField(allow_blank=True, help_text="What to know before trusting the list; often empty.")
    strategy = serializers.CharField()
    experiment = serializers.CharField(
        source="assignment.experiment.name", default=None, allow_null=True, help_text="That the user takes part in."
    )
    arm = serializers.CharField(source="assignment.arm", default=None, allow_null=True)
    slate = serializers.UUIDField(source="slate_id", allow_null=True)
    n = serializers.IntegerField(help_text="List length asked for.")
    took_ms = serializers.FloatField()
    items = RankedItemSerializer(many=True)


class NeighbourSerializer(serializers.ModelSerializer[Neighbour]):
    item = ListedItemSerializer(source="neighbour")

    class Meta:
        model = Neighbour
        fields = ["item", "score", "users"]


class NeighbourListSerializer(serializers.Serializer[Any]):
    item = serializers.CharField()
    neighbours = NeighbourSerializer(many=True)
