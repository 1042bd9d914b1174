"""Events in and out of the API."""

from __future__ import annotations

from rest_framework import serializers

from recommender.event_rows import Rejection
from recommender.models import Event


class EventOutputSerializer(serializers.ModelSerializer[Event]):
    event_id = serializers.CharField(source="external_id", allow_null=True)
    user = serializers.CharField(source="user.external_id")
    item = serializers.CharField(source="item.external_id")

    class Meta:
        model = Event
        fields = ["id", "event_id", "user", "item", "type", "occurred_at", "value", "price", "basket", "received_at"]


class EventInputSerializer(serializers.Serializer[Event]):
    """Describes an event for the schema; recommender.event_rows reads it, for one event and a million alike."""

    event_id = serializers.CharField(
        required=False, max_length=200, help_text="Yours; an event sent twice with the same id is stored once."
    )
    user = serializers.CharField(max_length=200, help_text="Your id of the user; a new one creates the user.")
    item = serializers.CharField(max_length=200, help_text="Your id of an item in the catalog.")
    type = serializers.ChoiceField(choices=Event.Type.choices)
    occurred_at = serializers.DateTimeField(
        required=False, help_text="ISO 8601 with a time zone, or epoch seconds; now where it is left out."
    )
    value = serializers.FloatField(
        required=False, default=1.0, help_text="Pieces bought, above 0; of a rate event the rating, 1 to 5."
    )
    price = serializers.DecimalField(
        required=False, max_digits=12, decimal_places=2, help_text="What was paid for one piece."
    )
    basket = serializers.CharField(required=False, max_length=100, help_text="Order, basket or session.")


class EventRejectionSerializer(serializers.Serializer[Rejection]):
    row = serializers.IntegerField(help_text="Place in the list sent, from 0.")
    event_id = serializers.CharField(source="external_id", allow_blank=True)
    field = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class RecordReportSerializer(serializers.Serializer[object]):
    accepted = serializers.IntegerField(help_text="Events that are durable now.")
    duplicates = serializers.ListField(child=serializers.CharField(), help_text="Ids that were stored before.")
    rejected = EventRejectionSerializer(many=True)
