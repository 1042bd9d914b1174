"""Domain errors: what went wrong, with what, and what to do next, each with a stable code."""

from __future__ import annotations

from typing import Any

from drf_standardized_errors.handler import exception_handler as standardized
from rest_framework import exceptions
from rest_framework.response import Response


class RecsiteError(Exception):
    """Base of every error a user can do something about. `code` is stable, `status` is what the API answers."""

    code = "error"
    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFoundError(RecsiteError):
    code = "not_found"
    status = 404


class InvalidInputError(RecsiteError):
    code = "invalid_input"
    status = 400


class ConflictError(RecsiteError):
    code = "conflict"
    status = 409


class UnavailableError(RecsiteError):
    """Something we depend on is away; the same call may succeed later."""

    code = "unavailable"
    status = 503


def exception_handler(error: Exception, context: Any) -> Response | None:
    """DRF's exception handler: ours become API errors, then drf-standardized-errors gives all the same shape."""
    if isinstance(error, RecsiteError):
        translated = exceptions.APIException(detail=error.message, code=error.code)
        translated.status_code = error.status
        error = translated
    return standardized(error, context)
