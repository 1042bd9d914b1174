"""What a user prefers, in the language model's words: written by a worker, when staff ask or lists need it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import connection, transaction
from django.utils.translation import gettext
from kombu.exceptions import OperationalError

from catalog import model_usage
from catalog.models import Item
from catalog.providers import ChatModel, get_chat_model
from recommender import asking_in_time, reranking_prompts, tasks
from recommender.algorithms import interest
from recommender.models import EndUser, Event, PreferenceSummary
from recommender.reranking_prompts import MAX_HISTORY, REPRESENTATIVE, question_hash
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, UnavailableError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "summarise_preferences"
HISTORY_EVENTS = 200
# A list rings for a new summary where the user did so much more since.
BEHIND_ENOUGH = 10
ROUNDS = 2
LONGEST_S = 120.0
RING_EXPIRES_S = 600
MOST_RUNG = 10_000
OFF = "The language model is off; set RECSITE_LLM=auto, or LLM_BASE_URL to a server of your own, and start again."

_rung: dict[int, float] = {}
_rung_lock = threading.Lock()


@dataclass(frozen=True)
class Preferences:
    """representative: positions in the history, the most telling first."""

    text: str
    representative: tuple[int, ...]


def preferences_of(titles: Sequence[str], model: ChatModel, *, longest_s: float = LONGEST_S) -> Preferences:
    """Steps 1 and 2 about one history, titles oldest first. Stores nothing.

    Raises UnavailableError where the model is away, InvalidInputError where it says nothing that can be used.
    """
    shown = list(titles[-MAX_HISTORY:])
    reply = model.complete(
        reranking_prompts.summarise(shown), max_tokens=reranking_prompts.SUMMARY_TOKENS, purpose="prefer"
    )
    text = reranking_prompts.read_summary(reply)
    if not text:
        raise InvalidInputError(
            gettext("The language model said nothing of these preferences; ask again after more events.")
        )
    options = sorted({reranking_prompts.title_line(title) for title in shown})
    if len(options) < 2:
        return Preferences(text, (len(titles) - 1,))
    choice = asking_in_time.choose(
        options,
        lambda ordered: reranking_prompts.represent(text, ordered),
        neutral=reranking_prompts.represent_nobody(len(options)),
        model=model,
        rounds=ROUNDS,
        key=question_hash("represent", model.name, text, options),
        purpose="prefer",
        deadline=time.monotonic() + longest_s,
    )
    if choice.outcome in {"unavailable", "out_of_time"}:
        raise UnavailableError(choice.words)
    share_of = dict(zip(options, choice.shares or (), strict=False))
    newest = {reranking_prompts.title_line(title): place for place, title in enumerate(titles)}
    best = sorted(share_of, key=lambda option: (-share_of[option], -newest[option]))
    return Preferences(text, tuple(newest[option] for option in best[:REPRESENTATIVE]))


def history_of(user_id: int) -> list[tuple[int, str]]:
    """(item, title), oldest first: the newest items that the user's events speak for, each once."""
    events = list(Event.objects.all().newest_of(user_id, HISTORY_EVENTS))
    weights: dict[int, float] = {}
    for item_id, kind, value, _ in events:
        weights[item_id] = weights.get(item_id, 0.0) + interest.event_weight(kind, value)
    liked = [item_id for item_id, weight in weights.items() if weight > 0][:MAX_HISTORY]
    titles = dict(Item.objects.filter(pk__in=liked).values_list("pk", "title"))
    return [(item_id, titles[item_id]) for item_id in reversed(liked) if item_id in titles]


def representative_titles(summary: PreferenceSummary) -> tuple[str, ...]:
    """The most telling first."""
    return tuple(item.title for item in summary.named_items())


def summarise(user_id: int, *, model: ChatModel | None = None) -> PreferenceSummary | None:
    """Ask and store; None where the user is gone. Raises UnavailableError and InvalidInputError; then what was there
    before stays. No transaction and no connection is held while the model thinks."""
    model = model or get_chat_model()
    if model is None:
        raise UnavailableError(gettext(OFF))
    user = EndUser.objects.filter(pk=user_id).first()
    if user is None:
        return None
    history = history_of(user.pk)
    if not history:
        raise InvalidInputError(gettext("No event of this user speaks for an item yet; there is nothing to sum up."))
    if not connection.in_atomic_block:
        connection.close()
    try:
        found = preferences_of([title for _, title in history], model)
    finally:
        model_usage.flush()
    return _store(user, found, [history[place][0] for place in found.representative], model)


@transaction.atomic
def _store(user: EndUser, found: Preferences, item_ids: Sequence[int], model: ChatModel) -> PreferenceSummary | None:
    """Nothing is kept of a user who was erased, or of an item that was deleted, while the model thought."""
    if not EndUser.objects.select_for_update().filter(pk=user.pk).exists():
        return None
    summary, _ = PreferenceSummary.objects.update_or_create(
        user_id=user.pk,
        defaults={"text": found.text, "model": model.name[:200], "last_event_id": user.last_event_id},
    )
    summary.name_items(item_ids)
    log.info("preferences_summarised", user=user.pk, items=len(item_ids))
    return summary


def behind(user: EndUser, summary: PreferenceSummary) -> int:
    """How many of the user's telling events the summary does not know."""
    return Event.objects.all().telling().filter(user=user, pk__gt=summary.last_event_id or 0).count()


# ---------------------------------------------------------------- on demand
def active_job(user_id: int) -> Job | None:
    return Job.objects.active().filter(kind=KIND, parameters__user=user_id).newest_first().first()


def last_job(user_id: int) -> Job | None:
    return Job.objects.filter(kind=KIND, parameters__user=user_id).newest_first().first()


def request(user: EndUser) -> Job:
    """Queue the job that asks; the one that is at it already where there is one. Raises ConflictError where the
    language model is off. Its title names nobody: jobs outlive users who are erased."""
    if get_chat_model() is None:
        raise ConflictError(gettext(OFF))
    with transaction.atomic():
        EndUser.objects.select_for_update().filter(pk=user.pk).first()
        if (job := active_job(user.pk)) is not None:
            return job
        job = jobs.create(KIND, "Sum up the preferences of a user", parameters={"user": user.pk})
    jobs.ring(job)
    return job


def run(progress: jobs.Progress) -> None:
    """The job. A user who was erased meanwhile needs none."""
    progress.report(0, 1, "Asking the language model")
    found = summarise(int(progress.job.parameters["user"]))
    progress.report(1, 1, "Summed up" if found is not None else "The user is gone")


# ---------------------------------------------------------------- for lists
def ring_if_behind(user: EndUser, summary: PreferenceSummary | None) -> bool:
    """Ring for a summary where there is none or it is old; at most once in a while for each user and process."""
    if not _is_due(user, summary):
        return False
    now = time.monotonic()
    with _rung_lock:
        if now - _rung.get(user.pk, -RING_EXPIRES_S) < RING_EXPIRES_S:
            return False
        if len(_rung) >= MOST_RUNG:
            _rung.clear()
        _rung[user.pk] = now
    try:
        tasks.summarise_preferences.apply_async([user.pk], expires=RING_EXPIRES_S)
    except OperationalError as error:
        log.warning("bell_not_rung", task=KIND, user=user.pk, reason=str(error))
        return False
    return True


def summarise_if_behind(user_id: int) -> None:
    """What the bell asks for; two bells in a row ask the model once."""
    user = EndUser.objects.filter(pk=user_id).first()
    if user is None or get_chat_model() is None:
        return
    if not _is_due(user, PreferenceSummary.objects.filter(user=user).first()):
        return
    try:
        summarise(user_id)
    except (UnavailableError, InvalidInputError) as error:
        log.warning("preferences_not_summarised", user=user_id, reason=error.message)


def _is_due(user: EndUser, summary: PreferenceSummary | None) -> bool:
    return summary is None or behind(user, summary) >= BEHIND_ENOUGH
