"""Users in and out of the API."""

from __future__ import annotations

from rest_framework import serializers

from recommender.models import EndUser


class UserOutputSerializer(serializers.ModelSerializer[EndUser]):
    interests_are_current = serializers.BooleanField(
        read_only=True, help_text="Whether the interest vectors know the newest event."
    )

    class Meta:
        model = EndUser
        fields = [
            "external_id",
            "attributes",
            "created_at",
            "last_event_at",
            "interests_built_at",
            "interests_are_current",
        ]


class UserInputSerializer(serializers.Serializer[EndUser]):
    attributes = serializers.DictField(default=dict, help_text="What your shop knows of the user; shown, not used.")
