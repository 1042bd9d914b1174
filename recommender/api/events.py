"""`/api/v1/events/`: send events, and read those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import django_filters
from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions, generics, pagination, status
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.events import MAX_EVENTS, Rejection, record_events
from recommender.models import Event
from recommender.serializers.events import EventInputSerializer, EventOutputSerializer, RecordReportSerializer


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class NewestFirst(pagination.CursorPagination):
    ordering = ("-occurred_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500


class EventFilter(django_filters.FilterSet):
    user = django_filters.CharFilter(field_name="user__external_id", label="Your id of the user.")
    item = django_filters.CharFilter(field_name="item__external_id", label="Your id of the item.")
    type = django_filters.ChoiceFilter(choices=Event.Type.choices)
    since = django_filters.IsoDateTimeFilter(
        field_name="occurred_at", lookup_expr="gte", label="At this time or later."
    )
    until = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt", label="Before this time.")

    class Meta:
        model = Event
        fields: list[str] = []


class EventList(generics.ListAPIView[Event]):
    writes_need = "recommender.add_event"
    serializer_class = EventOutputSerializer
    pagination_class = NewestFirst
    filterset_class = EventFilter

    def get_queryset(self) -> QuerySet[Event]:
        return Event.objects.select_related("user", "item")

    @extend_schema(operation_id="events_list", summary="Stored events, newest first")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="events_record",
        summary="Record one event or a list",
        description=(
            f"One event, or a list of at most {MAX_EVENTS:,}. Valid events are durable when the answer comes; "
            "the users' interests follow within seconds. A user nobody knows is created, an unknown item is rejected."
        ),
        request=PolymorphicProxySerializer(
            component_name="EventOrEvents",
            serializers=[EventInputSerializer, EventInputSerializer(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={
            201: RecordReportSerializer,
            200: OpenApiResponse(RecordReportSerializer, description="All of them were stored before."),
            400: OpenApiResponse(description="No event is valid; one error a field, `attr` is `row.field`."),
            413: OpenApiResponse(description="The body or the list is too large."),
        },
        examples=[
            OpenApiExample(
                "A purchase",
                value={
                    "event_id": "order-1001-1",
                    "user": "household-1",
                    "item": "product-1082185",
                    "type": "purchase",
                    "occurred_at": "2026-03-01T09:30:00Z",
                    "value": 2,
                    "price": "0.94",
                    "basket": "order-1001",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        _refuse_large_body(request)
        payloads = _payloads(request.data)
        report = record_events(payloads)
        if not report.accepted and not report.duplicates:
            raise _rejected(report.rejected, of=len(payloads), is_list=isinstance(request.data, list))
        answer = RecordReportSerializer(report).data
        return Response(answer, status=status.HTTP_201_CREATED if report.accepted else status.HTTP_200_OK)


def _refuse_large_body(request: Request) -> None:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > limit:
        raise TooLarge(f"The body has {length:,} bytes; at most {limit:,} are read. Send fewer events a call.")


def _payloads(data: Any) -> Sequence[Mapping[str, object]]:
    if isinstance(data, Mapping):
        return [data]
    if not isinstance(data, list):
        raise exceptions.ValidationError("Send one event as an object, or several as a list.", code="invalid")
    if not data:
        raise exceptions.ValidationError("The list is empty; send at least one event.", code="empty")
    if len(data) > MAX_EVENTS:
        raise TooLarge(f"The list holds {len(data):,} events; send at most {MAX_EVENTS:,} a call.")
    return data


def _rejected(rejections: Sequence[Rejection], *, of: int, is_list: bool) -> exceptions.ValidationError:
    """DRF's shape of errors: by field for one event, a list of such for a list."""
    errors: list[dict[str, list[str]]] = [{} for _ in range(of)]
    for rejection in rejections:
        errors[rejection.row][rejection.field or "non_field_errors"] = [rejection.message]
    return exceptions.ValidationError(errors if is_list else errors[0], code="rejected")
