"""Who is in which arm: the same user always in the same, without anything being stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def draws(salt: str, user_external_id: str) -> tuple[float, float]:
    """Two independent numbers, 0 <= x < 1, even over users: the first says who takes part, the second the arm."""
    digest = hashlib.blake2b(f"{salt}\0{user_external_id}".encode(), digest_size=14).digest()
    return int.from_bytes(digest[:7]) / 2**56, int.from_bytes(digest[7:]) / 2**56


def arm_of(user_external_id: str, *, salt: str, traffic_share: float, shares: Sequence[float]) -> int | None:
    """The number of the user's arm, None for those who do not take part.

    A larger traffic share later keeps everybody who took part where they were. shares: of the arms, each above 0.
    """
    taking_part, which = draws(salt, user_external_id)
    if taking_part >= traffic_share or not shares:
        return None
    up_to, total = 0.0, sum(shares)
    for place, share in enumerate(shares):
        up_to += share / total
        if which < up_to:
            return place
    return len(shares) - 1
