"""`/api/v1/experiments/`: which experiments there are, and what each found; read only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.experiment_page import page_of_experiment
from recommender.models import Experiment
from recommender.serializers.experiments import ExperimentSerializer, ExperimentWithResultsSerializer
from recsite.operations.pagination import Pages


class ExperimentList(generics.ListAPIView[Experiment]):
    serializer_class = ExperimentSerializer
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[Experiment]:
        return Experiment.objects.all().newest_first()

    @extend_schema(operation_id="experiments_list", summary="Experiments, newest first, without their results")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class ExperimentDetail(APIView):
    @extend_schema(
        operation_id="experiments_get",
        summary="One experiment with its results",
        description=(
            "Counted every ten minutes while it runs and until its last events have counted; `results` is null before. "
            "Shares are of users with a list, 0 to 1."
        ),
        responses={200: ExperimentWithResultsSerializer},
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(ExperimentWithResultsSerializer(page_of_experiment(pk)).data)
