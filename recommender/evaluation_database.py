"""The site's own events as a dataset to evaluate on: what was known before a moment, and the next basket after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

import numpy as np
from django.conf import settings
from django.utils.translation import gettext
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from catalog.models import Item, ItemEmbedding
from recommender import encoding, evaluation, evaluation_reranking, tuning
from recommender.algorithms.histories import DAY_S, Interactions
from recommender.candidates import past_of
from recommender.evaluation_rows import Case, Dataset, Fold, enough_of
from recommender.interests import HISTORY_EVENTS, Vectors, interests_of, labels_of
from recommender.models import EndUser, Event, InterestEncoder, InterestLabel, InterestVector, RankerFit, Strategy
from recommender.neighbours import read_interactions, titles_of_items
from recommender.shelves import PooledLabel
from recommender.strategies import recipe_of
from recsite.operations.errors import InvalidInputError

VALIDATION_DAYS = 28
USERS_AT_ONCE = 200
SEEN = "after the split, and may have seen what is judged here"


def evaluate_database(
    strategy: Strategy,
    *,
    split_at: datetime,
    max_users: int,
    baselines: Sequence[str],
    on_progress: Callable[[int, int, str], None] | None = None,
    fit: Literal["anew", "live", "as served"] = "as served",
    repeats: str | None = None,
    only_cold: bool = False,
    ask: evaluation_reranking.Asking | None = None,
) -> dict[str, Any]:
    """The report of `evaluation.evaluate` for this strategy, all learned from what came before `split_at`.

    fit: `anew` fits weights on what came before, `live` judges those in use now, the recipe's own where there is no
    fit; `as served` is `live` where a fit is in use, else `anew`. repeats: instead of the recipe's.
    Raises InvalidInputError where nobody with a history took anything after it.
    """
    recipe = recipe_of(strategy)
    recipe = recipe.with_repeats(repeats) if repeats else recipe
    in_use = RankerFit.objects.current(strategy.pk) if recipe.is_fitted and strategy.pk and fit != "anew" else None
    if fit == "live" and in_use is None:
        recipe = replace(recipe, is_fitted=False)
    is_tuned = recipe.is_fitted and in_use is None
    data = dataset(split_at, max_users=max_users, tuned_share=1.0 if is_tuned else 0.0)
    if not data.test.cases:
        raise InvalidInputError(
            gettext("No user with events before %(day)s took anything after it; choose an earlier date.")
            % {"day": f"{split_at:%Y-%m-%d}"}
        )
    result = evaluation.evaluate(
        data,
        recipe,
        baselines=baselines,
        on_progress=on_progress,
        parameters=in_use.parameters if in_use else None,
        only_cold=only_cold,
        ask=ask,
    )
    if in_use is not None:
        result["weights_from"] |= {"fit": in_use.pk, "at": in_use.created_at.isoformat()}
    if result["weights_from"]["kind"] != "validation":
        result["warnings"] += _what_may_have_seen(in_use, split_at)
    named = {"strategy": str(strategy)} if strategy.pk else {}
    return result | named | {"split_at": split_at.isoformat()}


def _what_may_have_seen(in_use: RankerFit | None, split_at: datetime) -> list[str]:
    """What is in use now may have been chosen by what came after the split, which flatters it."""
    model = ItemEmbedding.objects.model_in_use()
    encoder = InterestEncoder.objects.defer("weights").filter(status=InterestEncoder.Status.LIVE, model=model).first()
    found = []
    if in_use is not None and in_use.created_at > split_at:
        found.append(f"The weights in use were made on {in_use.created_at:%Y-%m-%d}, {SEEN}.")
    if encoder is not None and encoder.created_at > split_at:
        found.append(f"The interest encoder in use was made on {encoder.created_at:%Y-%m-%d}, {SEEN}.")
    return found


def dataset(split_at: datetime, *, max_users: int, tuned_share: float = 1.0) -> Dataset:
    """Items are numbered in the order of their ids. Whether an item may be shown, and its labels, are as of today: the
    database keeps no history of either, and the report says so. Where few users came back in the four weeks of
    validation, the four weeks before are tuned on too. tuned_share: of these users that are tuned on; 0: nobody."""
    item_ids, titles = titles_of_items()
    everything, user_ids = read_interactions(item_ids)
    folds = _months_before(split_at, everything, user_ids, item_ids)
    validation = next(folds)
    rows = list(Item.objects.order_by("pk").values_list("external_id", "text_hash", "is_hidden", "is_in_stock"))
    vectors = np.zeros((len(item_ids), settings.EMBEDDING_DIM), dtype=np.float32)
    embedded, stored = ItemEmbedding.objects.matrix()
    vectors[np.searchsorted(item_ids, embedded)] = stored
    newest = Item.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)
    return Dataset(
        titles=tuple(titles),
        vectors=vectors,
        newest_first=np.searchsorted(item_ids, np.array(newest, dtype=np.int64)),
        validation=validation,
        test=_fold(everything, user_ids, item_ids, split_at, until=None, max_users=max_users),
        item_ids=tuple(external_id for external_id, _, _, _ in rows),
        texts=tuple(text_hash or str(place) for place, (_, text_hash, _, _) in enumerate(rows)),
        mean=ItemEmbedding.objects.mean(),
        is_allowed=np.array([in_stock and not hidden for _, _, hidden, in_stock in rows], dtype=bool),
        labels=_labels(item_ids),
        transform=encoding.live_transform(),
        warnings=("Labels, stock and hidden items are as they are today, not as they were then.",),
        earlier=enough_of(folds, validation, share=tuned_share) if tuned_share else (),
    )


def _months_before(
    split_at: datetime, everything: Interactions, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64]
) -> Iterator[Fold]:
    """The four weeks before, then those before them, and so on."""
    until = split_at
    while True:
        start = until - timedelta(days=VALIDATION_DAYS)
        yield _fold(everything, user_ids, item_ids, start, until=until, max_users=2 * tuning.MOST_CASES)
        until = start


def _fold(
    everything: Interactions,
    user_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    moment: datetime,
    *,
    until: datetime | None,
    max_users: int,
) -> Fold:
    """Learned from what came before the moment; of each user with a history, the first basket after it."""
    learned_from, _ = read_interactions(item_ids, before=moment)
    end_s = until.timestamp() if until else np.inf
    is_after = (everything.times_s >= moment.timestamp()) & (everything.times_s < end_s)
    had_before = np.zeros(everything.n_users, dtype=bool)
    had_before[everything.users[everything.times_s < moment.timestamp()]] = True
    next_s = np.full(everything.n_users, np.inf)
    np.minimum.at(next_s, everything.users[is_after], everything.times_s[is_after])
    returning = np.flatnonzero(had_before & np.isfinite(next_s))
    chosen = _sample(user_ids[returning], max_users)
    number = {int(user_id): place for place, user_id in enumerate(user_ids)}
    is_target = is_after & (everything.times_s == next_s[everything.users])
    targets: dict[int, list[int]] = {}
    for user, item in zip(everything.users[is_target].tolist(), everything.items[is_target].tolist(), strict=True):
        targets.setdefault(user, []).append(item)
    place_of = {int(item_id): place for place, item_id in enumerate(item_ids)}
    vectors = Vectors.load()
    cases: list[Case] = []
    with threadpool_limits(1):
        for start in range(0, len(chosen), USERS_AT_ONCE):
            some = EndUser.objects.filter(pk__in=chosen[start : start + USERS_AT_ONCE]).order_by("pk")
            for user, events, interests, labels in known_before(list(some), moment, vectors):
                place = number[user.pk]
                # Made when the basket came, as the list of that visit would have been.
                as_of = max(datetime.fromtimestamp(float(next_s[place]), UTC), moment)
                case = case_of(user, events, place_of, as_of, tuple(dict.fromkeys(targets.get(place, []))))
                if len(case.past) and case.targets:
                    cases.append(replace(case, interests=interests, interest_labels=labels))
    return Fold(learned_from, tuple(cases))


def known_before(
    users: Sequence[EndUser], moment: datetime, vectors: Vectors
) -> Iterator[tuple[EndUser, list[Event], tuple[InterestVector, ...], tuple[InterestLabel, ...]]]:
    """Each user's newest events before the moment, and the interests that a rebuild then would have made of them, not
    encoded."""
    rows = Event.objects.filter(occurred_at__lt=moment).latest_of([user.pk for user in users], HISTORY_EVENTS)
    histories = {user_id: list(own) for user_id, own in groupby(rows, key=lambda event: event.user_id)}
    labels = labels_of(sorted({event.item_id for own in histories.values() for event in own}))
    found, found_labels = interests_of(users, histories, vectors, labels, transform=None)
    for user in users:
        own_labels = [each for each in found_labels if each.user_id == user.pk]
        yield (
            user,
            histories.get(user.pk, []),
            tuple(each for each in found if each.user_id == user.pk),
            tuple(sorted(own_labels, key=lambda each: (-each.weight, each.label_id))),
        )


def case_of(
    user: EndUser, events: Sequence[Event], place_of: dict[int, int], as_of: datetime, targets: tuple[int, ...]
) -> Case:
    known = [event for event in events if event.item_id in place_of]
    past = past_of(
        [(place_of[event.item_id], event.type, event.value, event.occurred_at) for event in known], as_of=as_of
    )
    taken = [event for event in known if event.type == Event.Type.PURCHASE]
    # Newest first, so that of an item taken twice the last time stays.
    last_taken = {
        place_of[event.item_id]: (as_of - event.occurred_at).total_seconds() / DAY_S for event in reversed(taken)
    }
    hidden = {place_of[event.item_id] for event in known if event.type == Event.Type.HIDE}
    return Case(user.external_id, past, as_of.timestamp(), targets, None, last_taken, tuple(sorted(hidden)))


def _sample(user_ids: NDArray[np.int64], most: int) -> list[int]:
    """The same users every time, whatever was added since."""
    ordered = sorted(user_ids.tolist(), key=lambda pk: hashlib.blake2b(str(pk).encode(), digest_size=8).digest())
    return ordered[:most]


def _labels(item_ids: NDArray[np.int64]) -> dict[int, tuple[PooledLabel, ...]]:
    place_of = {int(item_id): place for place, item_id in enumerate(item_ids)}
    found: dict[int, list[PooledLabel]] = {}
    for item_id, taxonomy_id, label_id, confidence in InterestLabel.objects.labels_of_items(item_ids.tolist()):
        if item_id in place_of:
            found.setdefault(place_of[item_id], []).append(PooledLabel(label_id, taxonomy_id, confidence))
    return {place: tuple(own) for place, own in found.items()}
