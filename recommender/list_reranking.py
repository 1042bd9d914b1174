"""Re-ranking of one user's list on the running site: what is known of the user, answers kept in the database."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from catalog import model_usage
from catalog.providers import ChatModel, get_chat_model
from recommender import preferences
from recommender.models import EndUser, PreferenceSummary, RankedByModel
from recommender.reranking import Reranked, RerankQuestion, RerankSettings, rerank


class StoredRankings:
    """Answers by question, in RankedByModel."""

    def get(self, key: str) -> tuple[float, ...] | None:
        """Where nothing is kept the model is asked next, and no connection is held meanwhile."""
        found = RankedByModel.objects.all().shares_of(key)
        if found is None:
            release_connection()
        return found

    def put(self, key: str, shares: Sequence[float]) -> None:
        RankedByModel.objects.all().keep(key, shares)


def release_connection() -> None:
    """Give the connection back before a long wait; the next query opens another. Not within a transaction."""
    if not connection.in_atomic_block:
        connection.close()


def rerank_list(
    user: EndUser | None,
    titles: Sequence[str],
    prior: NDArray[np.float64],
    *,
    settings: RerankSettings,
    model: ChatModel | None = None,
) -> Reranked:
    """The list of this user, best first, as the language model would have it; see `rerank`. Call it outside of
    transactions. Where the user's preference summary is missing or old, a worker is rung to write one."""
    model = model or get_chat_model()
    history: list[str] = []
    summary: PreferenceSummary | None = None
    if user is not None and model is not None and settings.blend:
        history = [title for _, title in preferences.history_of(user.pk)]
        summary = PreferenceSummary.objects.filter(user=user).first()
    question = RerankQuestion(
        history=tuple(history),
        candidates=tuple(titles),
        prior=prior,
        preferences=summary.text if summary else "",
        representative=preferences.representative_titles(summary) if summary else (),
    )
    reranked = rerank(question, model=model, settings=settings, kept=StoredRankings())
    model_usage.flush()
    if user is not None and reranked.was_used:
        preferences.ring_if_behind(user, summary)
    return reranked
