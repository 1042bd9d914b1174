"""Preference summaries: who writes them, what they know, and what the user's page shows of them."""

from __future__ import annotations

import pytest
from celery import current_app
from django.utils import timezone

from catalog.models import Item
from recommender import erasure, preferences
from recommender.models import Event, PreferenceSummary
from recommender.views import user_preferences
from recsite.operations.errors import ConflictError, InvalidInputError, UnavailableError
from recsite.operations.models import Job
from tests.factories import EndUserFactory, EventFactory, ItemFactory
from tests.pages import queries_of, staff_client, text_of, toast_of
from tests.recommender.rankers import Ranker, first_always, prefers

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(monkeypatch):
    """The site's language model: writes "Likes bread." and takes yeast for the most typical."""
    model = Ranker(prefers("yeast"))
    for module in (preferences, user_preferences):
        monkeypatch.setattr(module, "get_chat_model", lambda: model)
    return model


@pytest.fixture
def eagerly(monkeypatch):
    monkeypatch.setattr(current_app, "send_task", lambda name, args: current_app.tasks[name].apply(args))


@pytest.fixture
def user():
    user = EndUserFactory(external_id="u1")
    for title in ("butter", "yeast", "flour"):
        EventFactory(user=user, item=ItemFactory(title=title, external_id=title))
    return user


def test_a_summary_holds_words_typical_items_the_model_and_the_newest_event(user, model):
    summary = preferences.summarise(user.pk)
    assert (summary.text, summary.model) == ("Likes bread.", "fake-ranker")
    assert summary.last_event_id == user.last_event_id
    assert {item.title for item in summary.items.all()} == {"butter", "yeast", "flour"}
    assert '"butter", "yeast", "flour"' in model.prompts[0].user
    EventFactory.create_batch(3, user=user)
    EventFactory(user=user, type=Event.Type.IMPRESSION)
    assert preferences.behind(user, summary) == 3


def test_the_most_typical_come_first():
    found = preferences.preferences_of([f"item {n}" for n in range(9)], Ranker(prefers("item 4")))
    assert found.representative[0] == 4
    assert len(found.representative) == 5
    tied = preferences.preferences_of(["a", "b", "a", "c"], Ranker(first_always))
    assert tied.representative == (3, 2, 1)


def test_the_items_of_a_summary_keep_that_order_on_the_page_and_in_prompts(user, model):
    summary = preferences.summarise(user.pk)
    butter, yeast, flour = (Item.objects.get(title=title) for title in ("butter", "yeast", "flour"))
    assert summary.named_items()[0] == yeast
    summary.name_items([flour.pk, butter.pk, flour.pk, 999_999_999, yeast.pk])
    assert [item.title for item in summary.named_items()] == ["flour", "butter", "yeast"]
    assert preferences.representative_titles(summary) == ("flour", "butter", "yeast")
    words = text_of(staff_client().get(f"/user-parts/{user.pk}/preferences/"))
    assert "the most telling first flour butter yeast" in words


def test_the_history_leaves_out_what_the_user_did_not_keep():
    user = EndUserFactory()
    kept, given_back, rated_low, seen = (ItemFactory(title=title) for title in ("kept", "back", "low", "seen"))
    for item in (kept, given_back):
        EventFactory(user=user, item=item)
    EventFactory(user=user, item=given_back, type=Event.Type.REFUND)
    EventFactory(user=user, item=rated_low, type=Event.Type.RATE, value=1.0)
    EventFactory(user=user, item=seen, type=Event.Type.VIEW)
    EventFactory(user=user, item=kept, type=Event.Type.VIEW, occurred_at=timezone.now())
    assert [title for _, title in preferences.history_of(user.pk)] == ["seen", "kept"]


def test_where_the_model_fails_the_summary_that_is_there_stays(user, model):
    before = preferences.summarise(user.pk)
    model.error = UnavailableError("It does not answer.")
    with pytest.raises(UnavailableError):
        preferences.summarise(user.pk)
    model.error, model.write = None, "??"
    with pytest.raises(InvalidInputError, match="said nothing"):
        preferences.summarise(user.pk)
    after = PreferenceSummary.objects.get()
    assert (after.text, after.created_at, after.items.count()) == (before.text, before.created_at, 3)


def test_nothing_is_kept_of_a_user_who_is_erased_while_the_model_thinks(user, model):
    found = preferences.preferences_of(["a", "b"], model)
    erasure.erase("u1")
    assert preferences._store(user, found, [], model) is None
    assert PreferenceSummary.objects.count() == 0
    assert preferences.summarise(user.pk) is None


def test_a_summary_is_erased_with_its_user(user, model):
    other = EventFactory().user
    for each in (user, other):
        preferences.summarise(each.pk)
    erasure.erase("u1")
    assert [summary.user_id for summary in PreferenceSummary.objects.all()] == [other.pk]
    assert PreferenceSummary.items.through.objects.exclude(preferencesummary=other.pk).count() == 0


def test_bells_ask_once_and_only_where_there_is_news(user, model):
    preferences.summarise_if_behind(user.pk)
    asked = len(model.prompts)
    assert asked > 1
    preferences.summarise_if_behind(user.pk)
    preferences.summarise_if_behind(0)
    assert len(model.prompts) == asked


def test_a_request_is_one_job_that_names_nobody(user, model, monkeypatch):
    monkeypatch.setattr(current_app, "send_task", lambda name, args: None)
    job = preferences.request(user)
    assert preferences.request(user) == job
    assert "u1" not in job.title
    assert Job.objects.count() == 1


# ---------------------------------------------------------------- the page


def card(user):
    return staff_client().get(f"/user-parts/{user.pk}/preferences/")


def test_asking_by_a_click_shows_words_typical_items_and_the_model(user, model, eagerly):
    assert "Not asked yet" in text_of(card(user))
    assert model.prompts == []
    response = staff_client().post(f"/user-parts/{user.pk}/preferences/")
    words = text_of(response)
    assert toast_of(response)["kind"] == "success"
    assert "Likes bread." in words
    assert "Current" in words
    assert "Written by fake-ranker" in words
    assert 'href="/catalog/yeast/"' in response.content.decode()
    EventFactory.create_batch(3, user=user)
    assert "3 events behind" in text_of(card(user))
    assert "Ask again" in text_of(card(user))
    assert "Likes bread." in text_of(staff_client().get("/users/u1/"))


def test_a_failed_answer_says_why_and_can_be_asked_again(user, model, eagerly):
    model.error = UnavailableError("The server is away; start it.")
    words = text_of(staff_client().post(f"/user-parts/{user.pk}/preferences/"))
    assert "The last answer failed. The server is away; start it." in words
    assert "Ask again" in words
    model.error = None
    again = text_of(staff_client().post(f"/user-parts/{user.pk}/preferences/"))
    assert "Likes bread." in again
    assert "failed" not in again


def test_a_card_that_waits_looks_again_and_offers_no_second_click(user, model, monkeypatch):
    monkeypatch.setattr(current_app, "send_task", lambda name, args: None)
    response = staff_client().post(f"/user-parts/{user.pk}/preferences/")
    assert "Waiting for a worker" in text_of(response)
    assert "every 2s" in response.content.decode()
    assert "Ask" not in text_of(response).replace("Asked", "")


def test_without_a_model_the_card_says_how_to_get_one_and_a_post_leaves_no_trace(user):
    response = staff_client().post(f"/user-parts/{user.pk}/preferences/")
    assert "RECSITE_LLM=auto" in toast_of(response)["message"]
    assert "The language model is off" in text_of(response)
    assert "<button" not in response.content.decode()
    assert (Job.objects.count(), PreferenceSummary.objects.count()) == (0, 0)
    with pytest.raises(ConflictError):
        preferences.request(user)


def test_a_user_without_events_is_not_asked_about(model):
    user = EndUserFactory(external_id="idle")
    response = card(user)
    assert "Nothing to sum up yet" in text_of(response)
    assert "<button" not in response.content.decode()
    with pytest.raises(InvalidInputError, match="nothing to sum up"):
        preferences.summarise(user.pk)


def test_hostile_words_are_shown_as_words(user, model):
    model.write = "<script>alert(1)</script> Likes <b>bread</b>."
    preferences.summarise(user.pk)
    page = card(user).content.decode()
    assert "<script>alert" not in page
    assert "&lt;b&gt;bread" in page


def test_the_card_takes_as_many_queries_with_many_items_as_with_one(user, model):
    summary = preferences.summarise(user.pk)
    client = staff_client()
    many = queries_of(client, f"/user-parts/{user.pk}/preferences/")
    summary.items.set(summary.items.all()[:1])
    assert queries_of(client, f"/user-parts/{user.pk}/preferences/") == many
    assert many <= 11
