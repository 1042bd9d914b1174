"""The admin of users, events and slates: read only, and links that hold whatever a shop's ids are made of."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from recommender.models import EndUser
from tests.factories import EndUserFactory, EventFactory, ItemFactory, SlateFactory, SlateItemFactory
from tests.pages import staff_client

pytestmark = pytest.mark.django_db
ODD_ID = "shop/7 é 100%?a=1&b#c"


def test_links_of_a_user_lead_to_that_user_whatever_the_id() -> None:
    user, other = EndUserFactory(external_id=ODD_ID), EndUserFactory(external_id="shop/7 é 100%")
    EventFactory(user=user)
    EventFactory(user=other)
    shown = admin.site.get_model_admin(EndUser)
    client = staff_client()
    page = client.get(shown.view_on_site(user))
    assert (page.status_code, page.context["external_id"], page.context["end_user"]) == (200, ODD_ID, user)
    events = reverse("admin:recommender_event_changelist")
    found = client.get(events, {"q": ODD_ID}).context["cl"]
    assert [event.user for event in found.result_list] == [user]
    address = shown.events_link(user).split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert [event.user for event in client.get(address).context["cl"].result_list] == [user]
    assert urlsplit(address).fragment == ""


def test_the_link_of_an_item_leads_to_that_item_whatever_the_id() -> None:
    item = ItemFactory(external_id=ODD_ID)
    address = admin.site.get_model_admin(type(item)).view_on_site(item)
    assert staff_client().get(address).context["item"] == item


def list_url(model):
    return reverse(f"admin:{model}_changelist")


def change_url(model, row):
    return reverse(f"admin:{model}_change", args=[row.pk])


def test_a_slates_page_rounds_its_time_and_says_how_much_of_what_was_asked_it_gave():
    slate_item = SlateItemFactory(slate=SlateFactory(n=12, took_ms=113.770412000121727))
    page = staff_client().get(change_url("recommender_slate", slate_item.slate)).content.decode()
    for words in ("114 ms", "1 of 12"):
        assert words in page
    assert "113.77" not in page


def test_users_who_were_active_come_before_those_without_an_event():
    EndUserFactory(external_id="quiet")
    EndUserFactory(external_id="active", last_event_at=timezone.now())
    page = staff_client().get(list_url("recommender_enduser")).content.decode()
    assert page.index(">active<") < page.index(">quiet<")


def test_a_user_with_odd_characters_is_found_from_the_links_of_their_row():
    event = EventFactory(user=EndUserFactory(external_id="a&b=c#1"))
    page = staff_client().get(list_url("recommender_enduser")).content.decode()
    assert "/event/?q=a%26b%3Dc%231" in page
    found = staff_client().get(list_url("recommender_event") + "?q=a%26b%3Dc%231").content.decode()
    assert event.item.title in found
    assert "/slate/?q=a%26b%3Dc%231" in page
