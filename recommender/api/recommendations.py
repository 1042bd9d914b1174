"""`/api/v1/users/…/recommendations/` and `/api/v1/items/…/neighbours/`: lists out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.taxonomies import labels_named
from recommender import neighbours, slates
from recommender.scopes import Scope
from recommender.serializers.recommendations import (
    NeighbourListSerializer,
    NeighbourQuerySerializer,
    RecommendationQuerySerializer,
    RecommendedListSerializer,
)
from recommender.strategies import named_strategy


class Recommendations(APIView):
    @extend_schema(
        operation_id="recommendations_get",
        summary="The next items for a user, best first",
        description=(
            "A user nobody knows gets popular and new items, and `is_known_user` and `notice` say so. "
            "The contributions of an item's parts add up to its score; `why` says in words what raised it. "
            "Every list is kept as a slate, so that it can be explained later. Filters (`labels`, `brand`, `items`, "
            "prices, stock) must all hold; of several values of one any does. Where too few items are left, the list "
            "is shorter and `notice` says so. Report what was really shown as `impression` events."
        ),
        parameters=[RecommendationQuerySerializer],
        responses={200: RecommendedListSerializer},
    )
    def get(self, request: Request, external_id: str) -> Response:
        query = RecommendationQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        strategy = named_strategy(asked["strategy"]) if "strategy" in asked else None
        made = slates.recommend(
            external_id,
            n=asked["n"],
            strategy=strategy,
            repeats=asked.get("repeats"),
            placement=asked["placement"],
            within=_within(asked),
        )
        return Response(RecommendedListSerializer(made).data)


def _within(asked: Mapping[str, Any]) -> Scope | None:
    """The filter asked for; None where there is none."""
    scope = Scope(
        items=tuple(dict.fromkeys(asked.get("items", ()))),
        labels=labels_named(asked.get("labels", ())),
        brands=tuple(dict.fromkeys(asked.get("brand", ()))),
        price_from=asked.get("price_from"),
        price_to=asked.get("price_to"),
        stock_from=asked.get("stock_from"),
    )
    return None if scope.is_everything else scope


class ItemNeighbours(APIView):
    @extend_schema(
        operation_id="item_neighbours_get",
        summary="Items that users of this item take too, strongest first",
        parameters=[NeighbourQuerySerializer],
        responses={200: NeighbourListSerializer},
    )
    def get(self, request: Request, external_id: str) -> Response:
        query = NeighbourQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = neighbours.neighbours_of(external_id, n=query.validated_data["n"])
        return Response(NeighbourListSerializer({"item": external_id, "neighbours": found}).data)
