"""Rules out of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from recommender.models import Rule
from recommender.rule_words import state_of


class RuleSerializer(serializers.ModelSerializer[Rule]):
    state = serializers.SerializerMethodField(help_text="running, scheduled, over or stopped.")
    scope = serializers.JSONField(help_text="Which items: items, labels, brands, price_from, price_to, stock_from, …")
    audience = serializers.JSONField(help_text="Which users: users, histories, interests, attributes, arm.")

    class Meta:
        model = Rule
        fields = [
            *("name", "version", "state", "action", "scope", "audience", "placement", "position", "strength", "limit"),
            *("cap_by", "priority", "starts_at", "ends_at", "note", "published_at", "retired_at"),
        ]

    def get_state(self, rule: Rule) -> str:
        return state_of(rule).key


class RuleDetailSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    published_version = serializers.IntegerField(allow_null=True, help_text="Null where the rule was stopped.")
    versions = RuleSerializer(many=True)
