"""Strategies out of the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from recommender.models import Strategy
from recommender.strategy_overview import readable_recipe


class StrategyVersionSerializer(serializers.ModelSerializer[Strategy]):
    recipe = serializers.SerializerMethodField(help_text="Every field; those left out have their defaults.")

    class Meta:
        model = Strategy
        fields = ["version", "is_live", "note", "created_at", "published_at", "recipe"]

    def get_recipe(self, strategy: Strategy) -> dict[str, Any]:
        recipe, problem = readable_recipe(strategy)
        return strategy.recipe if problem else asdict(recipe)


class StrategySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    live_version = serializers.IntegerField(allow_null=True, help_text="Null where another strategy is live.")
    newest_version = serializers.IntegerField(help_text="The one that `strategy=` of a list means.")


class StrategyDetailSerializer(StrategySerializer):
    versions = StrategyVersionSerializer(many=True)
