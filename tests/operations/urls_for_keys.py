"""One API view behind the project's own authentication and permission, for tests of them."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recsite.operations.errors import ConflictError


class Echo(APIView):
    writes_need = "catalog.change_item"

    def get(self, request: Request) -> Response:
        return Response({"saw": "get"})

    def post(self, request: Request) -> Response:
        if request.data.get("conflict"):
            raise ConflictError("Item sku-1 exists; use PUT.")
        return Response({"saw": "post"})


urlpatterns = [path("echo/", Echo.as_view())]
