"""Why an item is not on a list, out of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from recommender.algorithms.sources import SOURCES
from recommender.serializers.recommendations import ScorePartSerializer
from recommender.slates import MAX_N
from recommender.why_not import STEPS, Dropped, Score, WhyNot
from recommender.why_not_sources import SourceRank
from recommender.why_not_words import Remedy


class WhyNotQuerySerializer(serializers.Serializer[Any]):
    item = serializers.CharField(max_length=200, help_text="The shop's own id of the item.")
    n = serializers.IntegerField(required=False, default=12, min_value=1, max_value=MAX_N, help_text="List length.")
    placement = serializers.CharField(required=False, default="", max_length=100, help_text="Of the page.")
    repeats = serializers.ChoiceField(choices=["exclude", "allow"], required=False)
    strategy = serializers.CharField(required=False, max_length=100, help_text="The live one where it is left out.")
    at = serializers.DateTimeField(required=False, help_text="A moment of the past.")


class RemedySerializer(serializers.Serializer[Remedy]):
    words = serializers.CharField()
    strength = serializers.FloatField(allow_null=True, help_text="Of a boost that works, in standard deviations.")
    position = serializers.IntegerField(allow_null=True, help_text="Where the item would then stand, where known.")


class DroppedSerializer(serializers.Serializer[Dropped]):
    step = serializers.ChoiceField(choices=list(STEPS))
    cause = serializers.CharField()


class SourceRankSerializer(serializers.Serializer[SourceRank]):
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    rank = serializers.IntegerField(allow_null=True, help_text="Null where the source does not know it.")
    of = serializers.IntegerField(help_text="How many items the source knows for this user.")
    taken = serializers.IntegerField(help_text="How many it proposes.")
    words = serializers.CharField()


class OutscoredSerializer(serializers.Serializer[Score]):
    own = serializers.FloatField()
    parts = ScorePartSerializer(many=True)
    last_item = serializers.CharField(source="last.external_id", allow_null=True, default=None)
    last_score = serializers.FloatField(allow_null=True)
    last_parts = ScorePartSerializer(many=True)
    behind = serializers.FloatField(allow_null=True, help_text="By how much the last item scores more.")


class WhyNotSerializer(serializers.Serializer[WhyNot]):
    user = serializers.CharField(source="question.user_external_id")
    item = serializers.CharField(source="item.external_id")
    strategy = serializers.CharField()
    position = serializers.IntegerField(allow_null=True, help_text="Where it is on the list; null where it is not.")
    cause = serializers.CharField(help_text="One sentence.")
    dropped = DroppedSerializer(allow_null=True, help_text="The first step that dropped it.")
    also_dropped = DroppedSerializer(allow_null=True, help_text="What else would, had a source proposed it.")
    as_if = serializers.BooleanField(help_text="Scored as if a source had proposed it.")
    remedies = RemedySerializer(many=True, help_text="What would have to change.")
    sources = SourceRankSerializer(many=True)
    score = OutscoredSerializer(allow_null=True)
    holders = serializers.ListField(
        child=serializers.CharField(), source="holder_ids", help_text="Items that hold its place, by their own ids."
    )
