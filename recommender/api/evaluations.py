"""`/api/v1/evaluations/`: how right lists were, for programs; read only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import evaluations
from recommender.models import Evaluation
from recommender.serializers.evaluations import EvaluationOutputSerializer, EvaluationWithReportSerializer
from recsite.operations.pagination import Pages


class EvaluationList(generics.ListAPIView[Evaluation]):
    serializer_class = EvaluationOutputSerializer
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[Evaluation]:
        return Evaluation.objects.all().for_lists().newest_first().defer("report")

    @extend_schema(operation_id="evaluations_list", summary="Evaluations, newest first, without their reports")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class EvaluationDetail(APIView):
    @extend_schema(
        operation_id="evaluations_get",
        summary="One evaluation with its report",
        responses={200: EvaluationWithReportSerializer},
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(EvaluationWithReportSerializer(evaluations.get(pk)).data)
