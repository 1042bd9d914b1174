"""Who is in which arm: always the same, evenly, whatever the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from recommender.algorithms.experiments import arm_of, draws

IDS = st.text(max_size=30)


def test_the_draws_are_two_halves_of_one_hash() -> None:
    """`python -c "import hashlib; print(hashlib.blake2b(b'salt\\0household-42', digest_size=14).hexdigest())"`."""
    assert draws("salt", "household-42") == (0x38340BD5359400 / 2**56, 0xF88FCAB9F5BDC5 / 2**56)


@pytest.mark.parametrize(
    ("user", "arm"), [("household-1", 0), ("household-2", None), ("a/b", None), ("用户", 0), ("household-42", 1)]
)
def test_these_users_are_always_in_these_arms(user: str, arm: int | None) -> None:
    salt = "salt" if user == "household-42" else "3f"
    assert arm_of(user, salt=salt, traffic_share=0.5, shares=[1, 1]) == arm


def test_another_process_draws_the_same() -> None:
    code = "from recommender.algorithms.experiments import draws; print(*draws('salt', 'household-42'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert tuple(float(each) for each in found.split()) == draws("salt", "household-42")


@pytest.mark.parametrize("shares", [[1, 1], [3, 1], [0.2, 0.3, 0.5], [1, 2, 3, 4]])
def test_users_fall_into_the_arms_by_their_shares(shares: list[float]) -> None:
    n = 20_000
    arms = [arm_of(f"user-{place}", salt="s1", traffic_share=1.0, shares=shares) for place in range(n)]
    for place, share in enumerate(shares):
        assert binomtest(arms.count(place), n, share / sum(shares)).pvalue > 1e-4


def test_the_traffic_share_takes_its_part_of_the_users_whatever_their_arm() -> None:
    n = 20_000
    arms = [arm_of(f"user-{place}", salt="s2", traffic_share=0.3, shares=[1, 1]) for place in range(n)]
    taking_part = [arm for arm in arms if arm is not None]
    assert binomtest(len(taking_part), n, 0.3).pvalue > 1e-4
    assert binomtest(taking_part.count(0), len(taking_part), 0.5).pvalue > 1e-4


def test_two_experiments_split_users_independently() -> None:
    n = 20_000
    both = [
        tuple(arm_of(f"user-{place}", salt=salt, traffic_share=1.0, shares=[1, 1]) for salt in ("one", "two"))
        for place in range(n)
    ]
    assert binomtest(sum(one == two for one, two in both), n, 0.5).pvalue > 1e-4


@given(IDS, st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.lists(st.floats(0.1, 10), min_size=2, max_size=4))
def test_more_traffic_keeps_everybody_in_their_arm(user: str, one: float, two: float, shares: list[float]) -> None:
    fewer, more = sorted((one, two))
    before = arm_of(user, salt="s", traffic_share=fewer, shares=shares)
    after = arm_of(user, salt="s", traffic_share=more, shares=shares)
    assert before is None or before == after


@given(IDS, st.lists(st.floats(0.1, 10), min_size=1, max_size=4))
def test_with_all_traffic_everybody_is_in_an_arm(user: str, shares: list[float]) -> None:
    arm = arm_of(user, salt="s", traffic_share=1.0, shares=shares)
    assert arm is not None
    assert 0 <= arm < len(shares)
