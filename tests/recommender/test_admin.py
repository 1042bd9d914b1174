"""The admin of users, events and slates: read only, and each leads to the others."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.factories import EndUserFactory, EventFactory, SlateFactory, SlateItemFactory
from tests.pages import staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return staff_client()


def list_url(model):
    return reverse(f"admin:{model}_changelist")


def change_url(model, row):
    return reverse(f"admin:{model}_change", args=[row.pk])


def test_a_slates_page_rounds_its_time_and_says_how_much_of_what_was_asked_it_gave(admin):
    slate_item = SlateItemFactory(slate=SlateFactory(n=12, took_ms=113.770412000121727))
    page = admin.get(change_url("recommender_slate", slate_item.slate)).content.decode()
    for words in ("114 ms", "1 of 12"):
        assert words in page
    assert "113.77" not in page


def test_users_who_were_active_come_before_those_without_an_event(admin):
    EndUserFactory(external_id="quiet")
    EndUserFactory(external_id="active", last_event_at=timezone.now())
    page = admin.get(list_url("recommender_enduser")).content.decode()
    assert page.index(">active<") < page.index(">quiet<")


def test_a_user_with_odd_characters_is_found_from_the_links_of_their_row(admin):
    event = EventFactory(user=EndUserFactory(external_id="a&b=c#1"))
    page = admin.get(list_url("recommender_enduser")).content.decode()
    assert "/event/?q=a%26b%3Dc%231" in page
    found = admin.get(list_url("recommender_event") + "?q=a%26b%3Dc%231").content.decode()
    assert event.item.title in found
    assert "/slate/?q=a%26b%3Dc%231" in page
