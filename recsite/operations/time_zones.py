"""The names of time zones, read from the system once."""

from __future__ import annotations

import zoneinfo
from functools import cache


@cache
def names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@cache
def offered() -> tuple[str, ...]:
    """Those that people choose among, by name: places, and UTC."""
    areas = ("Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/")
    return ("UTC", *sorted(name for name in names() if name.startswith((*areas, "Pacific/"))))
