"""Every page takes as many queries for thirty rows of everything as for one. A new page needs an example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recommender import attention
from recsite.operations import site_settings
from tests.every_page import addresses_of, fill, names_of_pages
from tests.pages import staff_client


@dataclass(frozen=True)
class Opened:
    address: str
    status: int
    statements: tuple[str, ...]


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def open_pages(n: int) -> dict[str, list[Opened]]:
    shop, client = fill(n), staff_client()
    return {name: [_open(client, address) for address in addresses_of(name, shop)] for name in names_of_pages()}


def _open(client: Client, address: str) -> Opened:
    client.get(address)
    attention._calibration = None  # kept for a minute, and the pages of both shops are to read it
    site_settings._read_at = None  # kept for seconds
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
        if response.streaming:
            b"".join(response.streaming_content)  # type: ignore[arg-type]
    return Opened(address, response.status_code, tuple(query["sql"] for query in captured.captured_queries))


_opened: list[dict[str, list[Opened]]] = []


@pytest.fixture
def both(db: None) -> list[dict[str, list[Opened]]]:
    """The pages of a shop with one row of everything, and of one with thirty; opened once for all tests."""
    if not _opened:
        for n in (1, 30):
            with undone():
                _opened.append(open_pages(n))
    return _opened


@pytest.mark.parametrize("name", names_of_pages())
def test_a_page_takes_as_many_queries_for_many_rows_as_for_one(name: str, both: list[dict[str, list[Opened]]]) -> None:
    for few, many in zip(both[0][name], both[1][name], strict=True):
        _compare(few, many)


def _compare(few: Opened, many: Opened) -> None:
    assert few.status == many.status and few.status in (200, 204), few.address
    known = {one[:80] for one in few.statements}
    others = [one[:200] for one in many.statements if one[:80] not in known]
    assert len(many.statements) == len(few.statements), f"{few.address}; not among the few: {others[:5]}"
