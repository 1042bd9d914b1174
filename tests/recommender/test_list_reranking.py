"""Re-ranking on the running site: what is kept, for how long, and what a user's list rings for."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import ModelUsage
from catalog.providers.openai_compatible import OpenAiCompatibleChatModel
from recommender import list_reranking, preferences, tasks, upkeep
from recommender.list_reranking import StoredRankings, rerank_list
from recommender.models import PreferenceSummary, RankedByModel
from recommender.reranking import RerankSettings, rerank
from tests.factories import EndUserFactory, EventFactory, ItemFactory
from tests.recommender.rankers import Ranker, prefers, question

pytestmark = pytest.mark.django_db

SETTINGS = RerankSettings(blend=1.0, budget_s=30)
TITLES, PRIOR = ("milk", "soap"), np.array([2.0, 1.0])


@pytest.fixture
def rung(monkeypatch):
    """The users whose bell for a summary was rung."""
    found: list[int] = []
    monkeypatch.setattr(preferences, "_rung", {})
    monkeypatch.setattr(tasks.summarise_preferences, "apply_async", lambda args, **options: found.append(args[0]))
    return found


@pytest.fixture
def user():
    return EventFactory(item=ItemFactory(title="yeast")).user


def test_a_users_list_is_asked_about_once_and_kept_without_a_word_of_it(user, rung):
    model = Ranker(prefers("soap"))
    first = rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=model)
    assert (first.outcome, first.order) == ("used", (1, 0))
    assert any('oldest first: "yeast"' in prompt.user for prompt in model.prompts)
    kept = RankedByModel.objects.get()
    assert sum(kept.shares) == pytest.approx(1.0)
    asked = len(model.prompts)
    second = rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=model)
    assert (second.outcome, second.order, len(model.prompts)) == ("cached", (1, 0), asked)


def test_a_new_event_is_a_new_question(user, rung):
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("soap")))
    EventFactory(user=user, item=ItemFactory(title="flour"))
    assert rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("milk"))).outcome == "used"
    assert RankedByModel.objects.count() == 2


def test_a_list_rings_for_a_summary_that_is_missing_or_old_once_in_a_while(user, rung, monkeypatch):
    for _ in range(2):
        rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("soap")))
    assert rung == [user.pk]
    PreferenceSummary.objects.create(user=user, text="Bakes.", model="m", last_event_id=user.last_event_id)
    monkeypatch.setattr(preferences, "_rung", {})
    EventFactory.create_batch(preferences.BEHIND_ENOUGH - 1, user=user)
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("soap")))
    assert rung == [user.pk]
    EventFactory(user=user)
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("soap")))
    assert rung == [user.pk] * 2


def test_the_summary_and_its_items_are_told_to_the_model(user, rung):
    summary = PreferenceSummary.objects.create(user=user, text="Bakes.", model="m", last_event_id=user.last_event_id)
    summary.items.add(ItemFactory(title="rye flour"))
    model = Ranker(prefers("soap"))
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=model)
    assert any('Preferences: "Bakes."\nMost typical: "rye flour"' in prompt.user for prompt in model.prompts)


def test_strangers_and_sites_without_a_model_get_the_priors_list(user, rung, settings):
    settings.LLM_BASE_URL = ""
    assert rerank_list(user, TITLES, PRIOR, settings=SETTINGS).outcome == "unavailable"
    for nobody in (None, EndUserFactory()):
        model = Ranker(prefers("soap"))
        made = rerank_list(nobody, TITLES, PRIOR, settings=SETTINGS, model=model)
        assert (made.outcome, made.order, model.prompts) == ("not_asked", (0, 1), [])
    assert (rung, RankedByModel.objects.count()) == ([], 0)


def test_answers_older_than_a_month_are_swept_away():
    for age_days, key in ((31, "old"), (29, "new")):
        RankedByModel.objects.all().keep(key, [1.0])
        RankedByModel.objects.filter(pk=key).update(created_at=timezone.now() - timedelta(days=age_days))
    assert upkeep.delete_old_rankings() == 1
    assert list(RankedByModel.objects.values_list("pk", flat=True)) == ["new"]


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_the_model_thinks(monkeypatch):
    monkeypatch.setattr(list_reranking.preferences, "ring_if_behind", lambda user, summary: False)
    user = EventFactory(item=ItemFactory(title="yeast")).user
    open_while_asked: list[bool] = []
    wanted = StoredRankings().get

    def looked_up(self, key):
        found = wanted(key)
        open_while_asked.append(connection.connection is not None)
        return found

    monkeypatch.setattr(StoredRankings, "get", looked_up)
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=Ranker(prefers("soap")))
    assert open_while_asked == [False]


# ---------------------------------------------------------------- a server


class Answers(OpenAiCompatibleChatModel):
    """The real client, with the bytes of a server that is not there."""

    def __init__(self, content, **more):
        super().__init__(base_url="http://127.0.0.1:9/v1", api_key="", model="m", timeout_s=5, concurrency=2, **more)
        self.content, self.bodies = content, []

    def _body(self, body):
        self.bodies.append(body)
        message = {"role": "assistant", "content": self.content(body)}
        import json

        return json.dumps({"choices": [{"message": message}], "usage": {"prompt_tokens": 9}}).encode()


def letter_of(title, body):
    lines = body["messages"][1]["content"].splitlines()
    return next((line[0] for line in lines if line[1:] == f'. "{title}"'), "A")


def test_a_server_without_probabilities_votes_by_a_schema_round_by_round():
    model = Answers(lambda body: f'{{"choice": "{letter_of("soap", body)}"}}')
    made = rerank(question("milk", "bread", "soap"), model=model, settings=SETTINGS)
    assert (made.outcome, made.order) == ("used", (2, 0, 1))
    assert sum("response_format" in body for body in model.bodies) == 4


@pytest.mark.parametrize("said", ["", "I would rather not.", "{", "Z", '{"choice": 7}'])
def test_garbage_changes_nothing(said):
    made = rerank(question("milk", "bread"), model=Answers(lambda body: said), settings=SETTINGS)
    assert (made.outcome, made.order) == ("refused", (0, 1))


def test_what_was_asked_is_counted(user, rung):
    from catalog import model_usage

    model_usage.flush()
    before = ModelUsage.objects.filter(purpose="rerank").count()
    model = Answers(lambda body: "A", record=model_usage.record)
    rerank_list(user, TITLES, PRIOR, settings=SETTINGS, model=model)
    usage = ModelUsage.objects.get(purpose="rerank")
    assert (before, usage.failures, usage.model) == (0, 0, "m")
    assert usage.calls >= 4
    assert usage.prompt_tokens == 9 * usage.calls
