"""`/api/v1/strategies/`: which recipes there are, and what each published version says."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.models import Strategy
from recommender.serializers.strategies import StrategyDetailSerializer, StrategySerializer
from recommender.strategies import live_strategy
from recsite.operations.errors import NotFoundError


class StrategyList(APIView):
    @extend_schema(
        operation_id="strategies_list",
        summary="Strategies, by name",
        description="Every name can be asked for as `strategy=` of a list. Drafts serve nobody and are not shown.",
        responses={200: StrategySerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        live_strategy()  # made where there is none yet
        by_name: dict[str, list[Strategy]] = {}
        for each in Strategy.objects.published().order_by("name", "-version"):
            by_name.setdefault(each.name, []).append(each)
        return Response(StrategySerializer([_named(name, found) for name, found in by_name.items()], many=True).data)


class StrategyDetail(APIView):
    @extend_schema(
        operation_id="strategies_get",
        summary="One strategy with its published versions, newest first",
        description="`recipe` holds every field, with the defaults of those that the version leaves out.",
        responses={200: StrategyDetailSerializer},
    )
    def get(self, request: Request, name: str) -> Response:
        found = list(Strategy.objects.published().filter(name=name).newest_first())
        if not found:
            raise NotFoundError(f"There is no strategy named {name!r}; GET /api/v1/strategies/ lists them.")
        return Response(StrategyDetailSerializer(_named(name, found)).data)


def _named(name: str, versions: list[Strategy]) -> dict[str, Any]:
    """versions: newest first."""
    live = next((each.version for each in versions if each.is_live), None)
    return {"name": name, "live_version": live, "newest_version": versions[0].version, "versions": versions}
