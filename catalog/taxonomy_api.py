"""Taxonomies in the API: all of them with their labels, and one's labels searched and in pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, generics
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import serializers
from catalog.models import Label, Taxonomy
from catalog.models.taxonomy import MOST_FOUND
from catalog.taxonomy_rows import language_code
from recsite.operations.errors import NotFoundError

LONGEST_QUERY = 200


class TaxonomyList(generics.ListAPIView[Taxonomy]):
    serializer_class = serializers.TaxonomyOutput

    def get_queryset(self) -> QuerySet[Taxonomy]:
        labels = Label.objects.select_related("merged_into").with_every_name().order_by("position", "id")
        return Taxonomy.objects.prefetch_related(Prefetch("labels", queryset=labels)).order_by("position", "id")

    @extend_schema(summary="List taxonomies with their labels", operation_id="taxonomies_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class LabelList(generics.ListAPIView[Label]):
    serializer_class = serializers.FoundLabelOutput

    def get_queryset(self) -> QuerySet[Label]:
        labels = Label.objects.select_related("merged_into").with_every_name().order_by("position", "id")
        return labels.filter(taxonomy__slug=self.kwargs.get("slug", ""))

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "language": _language(self.request)}

    @extend_schema(
        summary="List or search the labels of a taxonomy",
        description=f"With q the best matches first, at most {MOST_FOUND:,}: the name or the external_id itself, names "
        "and words that begin so, names that hold it, paths with all its words, names that resemble it. Names in every "
        "language count.",
        operation_id="labels_list",
        parameters=[
            OpenApiParameter("q", str, description="What to search for, at most 200 characters."),
            OpenApiParameter("language", str, description="The language of shown_name, such as zh-hans."),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        taxonomy = Taxonomy.objects.filter(slug=kwargs["slug"]).first()
        if taxonomy is None:
            raise NotFoundError(f"There is no taxonomy {kwargs['slug']!r}; GET /api/v1/taxonomies/ lists them.")
        q = request.query_params.get("q", "").strip()
        if len(q) > LONGEST_QUERY:
            raise exceptions.ValidationError({"q": [f"It has {len(q):,} characters; at most {LONGEST_QUERY} fit."]})
        if not q:
            return super().get(request, *args, **kwargs)
        found = self.paginate_queryset(Label.objects.all().found(q, taxonomy_id=taxonomy.pk))
        labels = self.get_queryset().in_order(found or [])  # type: ignore[attr-defined]
        return self.get_paginated_response(self.get_serializer(labels, many=True).data)


def _language(request: Request) -> str:
    written = request.query_params.get("language", "").strip()
    code = language_code(written)
    if written and not code:
        raise exceptions.ValidationError({"language": [f"{written!r} is no language code; send one such as zh-hans."]})
    return code
