"""What each source thinks of the candidates, by hand and by properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.interest import unit
from recommender.algorithms.sources import (
    SHARPNESS,
    SOURCES,
    VOTING,
    Evidence,
    interest_closeness,
    raw_scores,
    resemblance,
)

NOBODY = np.zeros((0, 2), dtype=np.float32)


def vectors_of(*rows):
    return np.array(rows, dtype=np.float32)


CANDIDATES = vectors_of([1, 0], [0.6, 0.8], [0, 0])


def evidence(**changed):
    """Three candidates about whom, and a user of whom, nothing is known but the vectors."""
    nothing = np.zeros(3)
    return replace(
        Evidence(
            votes=dict.fromkeys(VOTING, nothing),
            vectors=CANDIDATES,
            recent=NOBODY,
            recent_weights=np.zeros(0),
            factors=np.zeros((len(CANDIDATES), 2), dtype=np.float32),
            latent_done=np.zeros((0, 2), dtype=np.float32),
            latent_weights=np.zeros(0),
            interests=NOBODY,
            interest_shares=np.zeros(0),
            label_affinity=nothing,
            repeat=nothing,
            popularity=nothing,
            trend=nothing,
            users=np.array([0, 2, 9]),
        ),
        **changed,
    )


def test_resemblance_by_hand():
    # The second candidate is the first of the others: only the second other counts for it, .5 * .8^2.
    found = resemblance(CANDIDATES, vectors_of([0.6, 0.8], [0, 1]), np.array([1.0, 0.5]), sharpness=2)
    assert found.tolist() == pytest.approx([0.36, 0.32, 0.0])


def test_the_sharper_the_more_the_close_ones_decide():
    others, weights = vectors_of([0.6, 0.8], [0.28, 0.96]), np.ones(2)
    first = [resemblance(CANDIDATES, others, weights, sharpness=sharpness)[0] for sharpness in (1, 3)]
    assert first == pytest.approx([0.6 + 0.28, 0.6**3 + 0.28**3])


def test_opposites_do_not_take_away():
    assert resemblance(CANDIDATES, vectors_of([-1, 0]), np.ones(1), sharpness=3).tolist() == [0.0, 0.0, 0.0]


def test_nobody_resembles_nothing():
    assert resemblance(CANDIDATES, NOBODY, np.zeros(0), sharpness=3).tolist() == [0.0, 0.0, 0.0]
    assert resemblance(NOBODY, CANDIDATES, np.ones(3), sharpness=3).tolist() == []


def test_the_vectors_are_left_as_they_are():
    before = CANDIDATES.copy()
    resemblance(CANDIDATES, CANDIDATES, np.ones(3), sharpness=3)
    assert CANDIDATES.tolist() == before.tolist()


unit_rows = st.integers(1, 6).flatmap(lambda n: arrays(np.float32, (n, 3), elements=st.integers(-4, 4))).map(unit)


@given(unit_rows, unit_rows, st.integers(1, 5), st.sampled_from([0.25, 8.0]), st.randoms())
def test_resemblance_grows_with_the_weights_and_ignores_every_order(vectors, others, sharpness, factor, random):
    weights = np.linspace(0.5, 1.0, len(others))
    rows, columns = list(range(len(vectors))), list(range(len(others)))
    random.shuffle(rows)
    random.shuffle(columns)
    plain = resemblance(vectors, others, weights, sharpness=sharpness)
    moved = resemblance(vectors[rows], others[columns], weights[columns] * factor, sharpness=sharpness)
    assert moved.tolist() == pytest.approx((plain[rows] * factor).tolist(), rel=1e-4, abs=1e-5)
    assert np.all((plain >= 0) & (plain <= weights.sum() + 1e-5))


@given(unit_rows)
def test_an_item_does_not_resemble_itself(vectors):
    for row in vectors:
        assert resemblance(row[None], row[None], np.ones(1), sharpness=3).tolist() == [0.0]


def test_closeness_by_hand():
    interests = vectors_of([1, 0], [0, 1])
    closeness, closest = interest_closeness(CANDIDATES, interests, np.array([0.64, 0.36]))
    assert closeness.tolist() == pytest.approx([0.8, 0.48, 0.0])
    assert closest.tolist() == [0, 0, 0]
    closeness, closest = interest_closeness(CANDIDATES, interests, np.array([0.36, 0.64]))
    assert closeness.tolist() == pytest.approx([0.6, 0.64, 0.0])
    assert closest.tolist() == [0, 1, 0]


def test_without_interests_nothing_is_close():
    closeness, closest = interest_closeness(CANDIDATES, NOBODY, np.zeros(0))
    assert (closeness.tolist(), closest.tolist()) == ([0.0, 0.0, 0.0], [-1, -1, -1])


@given(unit_rows, unit_rows, st.sampled_from([0.25, 4.0]), st.randoms())
def test_closeness_goes_with_the_root_of_the_share_and_ignores_every_order(vectors, interests, factor, random):
    shares = np.linspace(0.2, 0.9, len(interests))
    rows, columns = list(range(len(vectors))), list(range(len(interests)))
    random.shuffle(rows)
    random.shuffle(columns)
    plain, closest = interest_closeness(vectors, interests, shares)
    moved, _ = interest_closeness(vectors[rows], interests[columns], shares[columns] * factor)
    assert moved.tolist() == pytest.approx((plain[rows] * np.sqrt(factor)).tolist(), abs=1e-5)
    own = np.sum(vectors * interests[closest], axis=1) * np.sqrt(shares[closest])
    assert plain.tolist() == pytest.approx(own.tolist(), abs=1e-5)
    assert np.all(np.abs(plain) <= 1 + 1e-5)


def test_of_somebody_unknown_only_what_is_new_and_popular_speaks():
    scored = raw_scores(evidence(popularity=np.array([0.0, 1.0, 3.0])), new_below_users=4)
    assert list(scored.raw) == list(SOURCES)
    assert scored.raw["new"].tolist() == [1.0, 0.5, 0.0]
    assert scored.raw["popular"].tolist() == pytest.approx(np.log([1.0, 2.0, 4.0]).tolist())
    for source in set(SOURCES) - {"new", "popular"}:
        assert scored.raw[source].tolist() == [0.0, 0.0, 0.0], source
    assert scored.closest_interest.tolist() == [-1, -1, -1]


def test_what_is_new_counts_as_far_as_it_fits_an_interest():
    known = evidence(interests=vectors_of([1, 0]), interest_shares=np.ones(1), users=np.zeros(3, np.int64))
    assert raw_scores(known, new_below_users=4).raw["new"].tolist() == pytest.approx([1.0, 0.6, 0.0])
    against = evidence(interests=vectors_of([-1, 0]), interest_shares=np.ones(1), users=np.zeros(3, np.int64))
    assert raw_scores(against, new_below_users=4).raw["new"].tolist() == [0.0, 0.0, 0.0]
    assert raw_scores(against, new_below_users=4).raw["interest"].tolist() == pytest.approx([-1.0, -0.6, 0.0])


def test_every_source_has_its_own_evidence():
    votes = {source: np.array([place + 1.0, 0.0, -1.0]) for place, source in enumerate(VOTING)}
    other = vectors_of([0.8, 0.6])
    scored = raw_scores(
        evidence(
            votes=votes,
            recent=other,
            recent_weights=np.array([0.5]),
            label_affinity=np.array([0.1, 0.2, 0.3]),
            repeat=np.array([4.0, 0.0, 0.0]),
            trend=np.array([0.0, 0.7, 0.0]),
        ),
        new_below_users=0,
    ).raw
    for source in VOTING:
        assert scored[source].tolist() == votes[source].tolist()
    assert scored["similar"].tolist() == pytest.approx([0.5 * 0.8**SHARPNESS, 0.5 * 0.96**SHARPNESS, 0.0])
    assert scored["label_affinity"].tolist() == [0.1, 0.2, 0.3]
    assert scored["repeat"].tolist() == [4.0, 0.0, 0.0]
    assert scored["trending"].tolist() == [0.0, 0.7, 0.0]
    assert scored["new"].tolist() == [0.0, 0.0, 0.0]


def test_no_candidates_have_no_scores():
    none = np.zeros(0)
    empty = evidence(
        votes=dict.fromkeys(VOTING, none),
        vectors=NOBODY,
        factors=np.zeros((0, 2), dtype=np.float32),
        label_affinity=none,
        repeat=none,
        popularity=none,
        trend=none,
        users=np.zeros(0, np.int64),
    )
    scored = raw_scores(empty, new_below_users=5)
    assert [len(values) for values in scored.raw.values()] == [0] * len(SOURCES)
