"""Pages of the API's lists: `limit` and `offset`, both bounded."""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

FURTHEST = 1_000_000


class Pages(LimitOffsetPagination):
    default_limit = 50
    max_limit = 500

    def get_offset(self, request: Request) -> int:
        offset: int = super().get_offset(request)
        if offset > FURTHEST:
            raise exceptions.ValidationError(
                {self.offset_query_param: [f"At most {FURTHEST:,}; narrow the list with a filter instead."]}
            )
        return offset
