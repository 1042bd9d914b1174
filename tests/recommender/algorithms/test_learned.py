"""What is learned from what all users did, on a few rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms.histories import DAY_S, interactions
from recommender.algorithms.learned import Learning, last_of_pairs, learn
from recommender.algorithms.repeats import repeats

TITLES = ["red tea", "green tea", "red cup", "soap"]


def rows_of(drawn):
    """drawn: (user, item, day), of two users and four items."""
    columns = [np.array(column) for column in zip(*drawn, strict=True)] if drawn else [np.zeros(0)] * 3
    users, items, days = columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64)
    return interactions(users, items, days * DAY_S, n_users=2, n_items=4)


FEW = [(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 2), (1, 0, 40)]


def pairs(found):
    return set(zip(found.items.tolist(), found.neighbours.tolist(), strict=True))


def test_each_pair_of_user_and_item_counts_once_with_its_last_time():
    users, items, last_s = last_of_pairs(rows_of(FEW))
    assert list(zip(users.tolist(), items.tolist(), (last_s / DAY_S).tolist(), strict=True)) == [
        (0, 0, 0.0),
        (0, 1, 1.0),
        (1, 0, 40.0),
        (1, 1, 2.0),
    ]
    assert [column.tolist() for column in last_of_pairs(rows_of([]))] == [[], [], []]


def test_counts_by_item():
    learned = learn(rows_of(FEW), TITLES)
    assert learned.events.tolist() == [3, 2, 0, 0]
    assert learned.users.tolist() == [2, 2, 0, 0]
    assert learned.recent_users.tolist() == [1, 0, 0, 0]


def test_when_items_were_first_and_last_taken():
    learned = learn(rows_of(FEW), TITLES)
    assert learned.first_s.tolist() == [0.0, DAY_S, np.inf, np.inf]
    assert learned.last_s.tolist() == [40 * DAY_S, 2 * DAY_S, -np.inf, -np.inf]


def test_popularity_and_trend_go_back_from_the_newest_row():
    learned = learn(rows_of(FEW), TITLES, Learning(popularity_half_life_days=20.0))
    assert learned.popularity.tolist() == pytest.approx([2**-2.0 + 1, 2 ** (-39 / 20) + 2 ** (-38 / 20), 0.0, 0.0])
    assert learned.trend.tolist() == pytest.approx([np.log(6 / 5), 0.0, 0.0, 0.0])


def test_or_from_when_the_lists_are_made():
    learned = learn(rows_of(FEW), TITLES, Learning(popularity_half_life_days=20.0), as_of_s=80 * DAY_S)
    assert learned.popularity[0] == pytest.approx(2**-4.0 + 2**-2.0)
    assert learned.recent_users.tolist() == [0, 0, 0, 0]
    assert learned.trend.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_what_goes_together_what_follows_and_what_is_called_alike():
    learned = learn(rows_of(FEW), TITLES)
    assert pairs(learned.together) == pairs(learned.next) == {(0, 1), (1, 0)}
    assert learned.together.users.tolist() == [2, 2]
    assert pairs(learned.words) == {(0, 1), (1, 0), (0, 2), (2, 0)}


def test_what_comes_again_is_what_repeats_says():
    rows = rows_of(FEW)
    learned, again = learn(rows, TITLES), repeats(rows)
    assert learned.repeat_rates.tolist() == again.rates.tolist()
    assert learned.repeat_shares.tolist() == [0.5, 0.0, 0.0, 0.0]
    assert learned.cycles_days.tolist() == [40.0, 0.0, 0.0, 0.0]


def test_ties_of_long_ago_fade_beside_newer_ones():
    drawn = [(0, 0, 0), (0, 1, 0), (1, 2, 200), (1, 3, 200)]
    learned = learn(rows_of(drawn), TITLES, Learning(together_half_life_days=50.0, regularisation=1.0))
    together = learned.together
    score = {int(item): float(score) for item, score in zip(together.items, together.scores, strict=True)}
    assert [score[2], score[3]] == pytest.approx([1.0, 1.0])
    assert score[0] == pytest.approx(score[1])
    assert 0 < score[0] < 0.05


@pytest.mark.parametrize("drawn", [[], [(0, 3, 5)]])
def test_nothing_and_one_row_teach_no_ties(drawn):
    learned = learn(rows_of(drawn), TITLES)
    assert len(learned.together) == len(learned.next) == 0
    assert learned.users.tolist() == [0, 0, 0, len(drawn)]
    assert learned.popularity.tolist() == [0.0, 0.0, 0.0, float(len(drawn))]
    assert learned.repeat_rates.tolist() == [0.0] * 4


def test_a_catalog_without_items_is_learned_too():
    none = np.zeros(0, dtype=np.int64)
    learned = learn(interactions(none, none, np.zeros(0), n_users=0, n_items=0), [])
    assert len(learned.together) == len(learned.next) == len(learned.words) == len(learned.users) == 0


days = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 90)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(days, st.permutations(range(4)), st.randoms())
def test_names_and_the_order_of_rows_do_not_change_what_is_learned(drawn, names, random):
    shuffled = [(1 - user, names[item], day) for user, item, day in drawn]
    random.shuffle(shuffled)
    titles = [TITLES[item] for item in np.argsort(names)]
    plain, moved = learn(rows_of(drawn), TITLES), learn(rows_of(shuffled), titles)
    for figure in ("events", "users", "recent_users", "popularity", "trend", "repeat_rates", "cycles_days", "first_s"):
        assert getattr(moved, figure)[names].tolist() == pytest.approx(getattr(plain, figure).tolist()), figure
    for ties in ("next", "words"):
        named = {(names[i], names[j]) for i, j in pairs(getattr(plain, ties))}
        assert pairs(getattr(moved, ties)) == named, ties


@settings(max_examples=40, deadline=None)
@given(days)
def test_no_more_users_than_events_and_recent_ones_are_among_them(drawn):
    learned = learn(rows_of(drawn), TITLES)
    assert np.all(learned.recent_users <= learned.users)
    assert np.all(learned.users <= learned.events)
    assert np.all(learned.popularity <= learned.users + 1e-9)
    assert np.all((learned.users > 0) == np.isfinite(learned.last_s))
