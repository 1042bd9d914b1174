"""`/api/v1/rules/`: which rules there are, and what each version that was published says."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.models import Rule
from recommender.rule_words import STATES, state_of
from recommender.rules import by_priority
from recommender.serializers.rules import RuleDetailSerializer, RuleSerializer
from recsite.operations.errors import InvalidInputError, NotFoundError


class RuleList(APIView):
    @extend_schema(
        operation_id="rules_list",
        summary="Rules, the first in priority first",
        description="The published version of each rule; with `state=stopped` the newest of those that were stopped. "
        "Drafts touch no list and are not shown.",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=["running", "scheduled", "over", "stopped"]),
            OpenApiParameter("placement", OpenApiTypes.STR, description="Only rules that hold there."),
        ],
        responses={200: RuleSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        state, placement = request.query_params.get("state", ""), request.query_params.get("placement")
        if state and (state not in STATES or state == "draft"):
            raise InvalidInputError(f"state is {state!r}; use running, scheduled, over or stopped.")
        found = Rule.objects.exclude(state=Rule.State.DRAFT).shown_versions()
        rules = [
            rule
            for rule in by_priority(found)
            if (state_of(rule).key == state if state else rule.state == Rule.State.PUBLISHED)
            and (placement is None or rule.placement in ("", placement))
        ]
        return Response(RuleSerializer(rules, many=True).data)


class RuleDetail(APIView):
    @extend_schema(
        operation_id="rules_get",
        summary="One rule with every version that was published, newest first",
        responses={200: RuleDetailSerializer},
    )
    def get(self, request: Request, name: str) -> Response:
        versions = list(Rule.objects.exclude(state=Rule.State.DRAFT).filter(name=name).order_by("-version"))
        if not versions:
            raise NotFoundError(f"There is no rule named {name!r}; GET /api/v1/rules/ lists them.")
        published = next((each.version for each in versions if each.state == Rule.State.PUBLISHED), None)
        answer: dict[str, Any] = {"name": name, "published_version": published, "versions": versions}
        return Response(RuleDetailSerializer(answer).data)
