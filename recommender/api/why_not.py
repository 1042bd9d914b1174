"""`/api/v1/users/…/why-not/`: why an item is not on a user's list."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.serializers.why_not import WhyNotQuerySerializer, WhyNotSerializer
from recommender.slates import Question
from recommender.strategies import named_strategy
from recommender.users import checked_id
from recommender.why_not import find_item, why_not


class WhyNotDetail(APIView):
    @extend_schema(
        operation_id="why_not_get",
        summary="Why an item is not on a user's list",
        description=(
            "The first step that dropped the item, in one sentence, and what would have to change. An item that no "
            "source proposed is scored as if one had. A boost that is named was tried by making the list again. "
            "Nothing is stored."
        ),
        parameters=[WhyNotQuerySerializer],
        responses={200: WhyNotSerializer},
    )
    def get(self, request: Request, external_id: str) -> Response:
        query = WhyNotQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        strategy = named_strategy(asked["strategy"]) if "strategy" in asked else None
        question = Question(
            checked_id(external_id), asked["n"], asked["placement"], asked.get("repeats"), at=asked.get("at")
        )
        return Response(WhyNotSerializer(why_not(question, find_item(asked["item"]), strategy=strategy)).data)
