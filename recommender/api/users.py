"""`/api/v1/users/`: the people we recommend to."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, pagination, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import erasure, users
from recommender.models import EndUser
from recommender.serializers.users import UserInputSerializer, UserOutputSerializer


class OldestFirst(pagination.CursorPagination):
    ordering = "id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500


class UserFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        field_name="external_id", lookup_expr="startswith", label="The beginning of a user's id."
    )

    class Meta:
        model = EndUser
        fields: list[str] = []


class UserList(generics.ListAPIView[EndUser]):
    serializer_class = UserOutputSerializer
    pagination_class = OldestFirst
    filterset_class = UserFilter

    def get_queryset(self) -> QuerySet[EndUser]:
        return EndUser.objects.all()

    @extend_schema(operation_id="users_list", summary="Users, oldest first")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class UserDetail(APIView):
    writes_need = "recommender.change_enduser"

    @extend_schema(operation_id="users_get", summary="One user", responses={200: UserOutputSerializer})
    def get(self, request: Request, external_id: str) -> Response:
        return Response(UserOutputSerializer(users.get(external_id)).data)

    @extend_schema(
        operation_id="users_put",
        summary="Create a user, or replace their attributes",
        request=UserInputSerializer,
        responses={200: UserOutputSerializer, 201: UserOutputSerializer},
    )
    def put(self, request: Request, external_id: str) -> Response:
        read = UserInputSerializer(data=request.data)
        read.is_valid(raise_exception=True)
        user, created = users.put(external_id, read.validated_data["attributes"])
        answer = UserOutputSerializer(user).data
        return Response(answer, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)

    @extend_schema(
        operation_id="users_erase",
        summary="Erase a user for good",
        description="Deletes the user with their events, interests and slates. There is no undo.",
        responses={204: OpenApiResponse(description="Erased."), 404: OpenApiResponse(description="Nothing to erase.")},
    )
    def delete(self, request: Request, external_id: str) -> Response:
        erasure.erase(external_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
