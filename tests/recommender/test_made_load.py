"""A generated shop is one that the console and lists can work with, and never mixes with a real one unasked."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Item, ItemEmbedding, ItemLabel
from recommender.models import EndUser, Event, InterestVector, ItemStatistics, Neighbour, Slate, SlateItem
from recommender.slates import recommend

SIZE = ("--items=300", "--events=2000", "--users=20", "--slates=15", "--neighbours=5")


@pytest.mark.django_db(transaction=True)
def test_a_made_shop_has_everything_that_pages_and_lists_need(tmp_path: Path) -> None:
    call_command("make_load", *SIZE, stdout=io.StringIO())
    assert (Item.objects.count(), ItemEmbedding.objects.count(), EndUser.objects.count()) == (300, 300, 20)
    assert Event.objects.count() >= 2000
    assert (Slate.objects.count(), SlateItem.objects.count()) == (15, 180)
    assert ItemLabel.objects.effective().exists()
    assert ItemStatistics.objects.exists()
    assert Neighbour.objects.filter(item_id=Item.objects.first().pk, kind="together").count() == 5
    user = EndUser.objects.filter(interest_vectors__position=0).first()
    assert user.interests_are_current
    assert InterestVector.objects.filter(user=user).exists()
    assert len(recommend(user.external_id, n=12).items) == 12

    with pytest.raises(CommandError, match="already holds items"):
        call_command("make_load", *SIZE)
    assert (Item.objects.count(), Slate.objects.count()) == (300, 16)

    report = tmp_path / "pages.json"
    call_command("bench_pages", "--runs=1", "--only=user", f"--json={report}", stdout=io.StringIO())
    told = json.loads(report.read_text())
    assert told["data"]["items"] == 300
    assert {page["status"] for page in told["pages"] if page["name"] != "user-list"} == {200}
    assert all(page["queries"] > 0 for page in told["pages"])
    assert told["database"]["round_trip_ms"] > 0
    assert told["lists"]["lists"] > 0
