"""The recommender's pages in the admin: links that hold whatever a shop's ids are made of."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.urls import reverse

from recommender.models import EndUser
from tests.factories import EndUserFactory, EventFactory, ItemFactory
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
