"""The catalog's API: items in and out; taxonomies are in `catalog.taxonomy_api`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions, generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import serializers
from catalog.items import UpsertReport, hide, upsert_items
from catalog.models import Item, ItemLabel, Label
from recsite.operations.errors import NotFoundError

MAX_ITEMS = 1000


def items_for_output() -> QuerySet[Item]:
    return (
        Item.objects.with_embedding_hash()
        .defer("search_vector")
        .prefetch_related(Prefetch("labels", queryset=ItemLabel.objects.told(), to_attr="told_labels"))
    )


class ItemFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="matching", max_length=200, label="Words of the text, or the id; best first.")
    label = django_filters.CharFilter(
        method="labelled", max_length=1000, label='A label\'s path, like "Food > Bread"; labels below it count too.'
    )
    brand = django_filters.CharFilter(lookup_expr="iexact", max_length=200)
    in_stock = django_filters.BooleanFilter(field_name="is_in_stock")
    hidden = django_filters.BooleanFilter(field_name="is_hidden")

    class Meta:
        model = Item
        fields: list[str] = []

    def matching(self, items: Any, name: str, text: str) -> Any:
        return items.search(text)

    def labelled(self, items: QuerySet[Item], name: str, path: str) -> QuerySet[Item]:
        carrying = ItemLabel.objects.carrying(Label.objects.below(path))
        return items.filter(pk__in=carrying.values("item_id"))


class ItemList(generics.ListAPIView[Item]):
    writes_need = "catalog.change_item"
    serializer_class = serializers.ItemOutput
    filterset_class = ItemFilter

    def get_queryset(self) -> QuerySet[Item]:
        return items_for_output().order_by("-created_at", "-id")

    @extend_schema(summary="List items, newest first", operation_id="items_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        summary="Create or replace items",
        description=f"One item or a list of at most {MAX_ITEMS:,}. Valid items are kept and the others are named; "
        "400 where none is valid. Embedding and labelling follow in the background.",
        operation_id="items_upsert",
        request=PolymorphicProxySerializer(
            component_name="ItemOrItems",
            serializers=[serializers.ItemInput, serializers.ItemInput(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={
            200: OpenApiResponse(serializers.UpsertOutput, description="At least one item is valid."),
            400: OpenApiResponse(serializers.UpsertOutput, description="None is valid."),
        },
    )
    def post(self, request: Request) -> Response:
        rows = request.data if isinstance(request.data, list) else [request.data]
        if not rows:
            raise exceptions.ValidationError("The list is empty; send at least one item.")
        if len(rows) > MAX_ITEMS:
            raise exceptions.ValidationError(
                f"The list has {len(rows):,} items; send at most {MAX_ITEMS:,} a call, or import a file."
            )
        report = upsert_items(rows)
        body = _report_body(report)
        if report.accepted:
            return Response(body)
        errors = [
            {"code": "invalid", "detail": rejection.message, "attr": f"{rejection.row}.{rejection.field}".rstrip(".")}
            for rejection in report.rejected
        ]
        return Response({"type": "validation_error", "errors": errors, **body}, status.HTTP_400_BAD_REQUEST)


class ItemDetail(APIView):
    writes_need = "catalog.change_item"

    @extend_schema(summary="One item with its labels", operation_id="items_get", responses=serializers.ItemOutput)
    def get(self, request: Request, external_id: str) -> Response:
        return Response(serializers.ItemOutput(_item(external_id)).data)

    @extend_schema(
        summary="Create or replace one item",
        operation_id="items_put",
        request=serializers.ItemReplacement,
        responses={200: serializers.ItemOutput, 201: serializers.ItemOutput},
    )
    def put(self, request: Request, external_id: str) -> Response:
        report = self._write(request, external_id, partial=False)
        created = status.HTTP_201_CREATED if report.created else status.HTTP_200_OK
        return Response(serializers.ItemOutput(_item(external_id)).data, created)

    @extend_schema(
        summary="Change some fields of one item",
        operation_id="items_patch",
        request=serializers.ItemChange,
        responses=serializers.ItemOutput,
    )
    def patch(self, request: Request, external_id: str) -> Response:
        _item(external_id)
        self._write(request, external_id, partial=True)
        return Response(serializers.ItemOutput(_item(external_id)).data)

    @extend_schema(
        summary="Hide one item from every list",
        description="Its events and labels stay. PATCH is_hidden=false shows it again.",
        operation_id="items_hide",
        responses={204: None},
    )
    def delete(self, request: Request, external_id: str) -> Response:
        hide(_known(external_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _write(self, request: Request, external_id: str, *, partial: bool) -> UpsertReport:
        row = request.data
        if not isinstance(row, Mapping):
            raise exceptions.ValidationError("Send one object with the fields of an item.")
        if external_id != external_id.strip():
            # Rows are stored without, so the item would be written and not be found at this address.
            raise exceptions.ValidationError({"external_id": ["It begins or ends with a space; take that out."]})
        if str(row.get("external_id", external_id)) != external_id:
            raise exceptions.ValidationError(
                {"external_id": [f"It differs from the address, {external_id!r}; an item's id cannot change."]}
            )
        report = upsert_items([{**row, "external_id": external_id}], partial=partial)
        if report.rejected:
            rejection = report.rejected[0]
            raise exceptions.ValidationError({rejection.field or "non_field_errors": [rejection.message]})
        return report


def _report_body(report: UpsertReport) -> dict[str, Any]:
    return {
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "repeated": report.repeated,
        "into_attributes": dict(report.into_attributes),
        "rejected": [asdict(rejection) for rejection in report.rejected],
    }


def _known(external_id: str) -> str:
    """The id as it may be asked of the database, which takes no NUL."""
    if "\x00" in external_id:
        raise NotFoundError("There is no item with a NUL in its id; check the address.")
    return external_id


def _item(external_id: str) -> Item:
    item = items_for_output().filter(external_id=_known(external_id)).first()
    if item is None:
        raise NotFoundError(f"There is no item {external_id!r}; check the id, or create it with PUT.")
    return item
