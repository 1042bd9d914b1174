"""JSON in, strictly: bounded in size, no NaN or Infinity, and every refusal says what is wrong and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import exceptions, status
from rest_framework.parsers import BaseParser


class TooLargeError(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body: bytes = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLargeError(
                f"The body is larger than {limit // (1024 * 1024)} MB; send it in several calls, or import a file."
            )
        try:
            return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
        except UnicodeDecodeError as error:
            raise exceptions.ParseError(f"The body is not UTF-8: byte {error.start:,} cannot be read.") from None
        except json.JSONDecodeError as error:
            raise exceptions.ParseError(
                f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        except RecursionError:
            raise exceptions.ParseError("The body is nested too deeply; flatten it.") from None
        except ValueError as error:
            raise exceptions.ParseError(f"The body is not valid JSON: {error}.") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value; send a finite number or null")
