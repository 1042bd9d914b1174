"""Lists and neighbours out of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from catalog.models import Item
from catalog.serializers import ItemLabelOutput
from recommender.algorithms.sources import SOURCES
from recommender.explanations import LANGUAGE_MODEL, RULES
from recommender.models import Neighbour
from recommender.slates import MAX_N, RankedItem, RecommendedList, ScorePart


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
    contribution = serializers.FloatField(help_text="weight * z; the contributions add up to the score.")
    words = serializers.CharField(allow_blank=True)


class RankedItemSerializer(serializers.Serializer[RankedItem]):
    position = serializers.IntegerField()
    item = LabelledItemSerializer()
    score = serializers.FloatField()
    parts = ScorePartSerializer(many=True)
    why = serializers.ListField(child=serializers.CharField(), source="sentences", help_text="Strongest reason first.")


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
