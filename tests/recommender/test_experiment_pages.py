"""The pages of experiments: who may, how many queries, what they say, and what each button does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from recommender import experiment_figures, tasks
from recommender.models import Experiment, Rule
from recommender.strategies import live_strategy
from recsite.operations.models import Job
from tests.factories import ExperimentFactory, StrategyFactory
from tests.pages import HTMX, assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of
from tests.recommender.served_experiment import many_served, running_experiment

pytestmark = pytest.mark.django_db
ACTS = ("start", "stop", "resume", "promote", "unpromote", "delete", "edit")


def measured(**fields: Any) -> Experiment:
    users, buyers = fields.pop("users", (400, 400)), fields.pop("buyers", (40, 60))
    experiment = running_experiment(**fields)
    many_served(experiment, users=users, buyers=buyers, days=fields.get("days", 5))
    tasks.measure_experiment(experiment_figures.request(experiment).pk)
    return experiment


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "prices",
        "hypothesis": "",
        "placement": "",
        "traffic": "50",
        "measure": "click",
        "attribution": "24",
        "ends_at": "",
        "arm-1-name": "a",
        "arm-1-strategy": "",
        "arm-1-share": "1",
        "arm-2-name": "b",
        "arm-2-strategy": "",
        "arm-2-share": "3",
        "arm-3-name": "",
        "arm-3-share": "1",
        **changes,
    }


def looking_client() -> Client:
    """Staff who may look and not change."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="viewer", is_staff=True)[0])
    return client


def test_only_staff_see_them() -> None:
    draft, running = ExperimentFactory(), measured()
    for address in (
        *("/experiments/", "/experiments/new/", f"/experiments/{draft.pk}/", f"/experiments/{draft.pk}/edit/"),
        *(f"/experiments/{running.pk}/chart/", f"/experiments/{running.pk}/download/"),
    ):
        assert_guarded(address)


@pytest.mark.parametrize("act", ACTS)
def test_changing_needs_the_permission(act: str) -> None:
    live_strategy()
    experiment = ExperimentFactory(state="running" if act in ("stop", "promote") else "draft")
    before = list(Experiment.objects.values())
    for client in (looking_client(), shopper_client()):
        response = client.post(f"/experiments/{experiment.pk}/{act}/", form(arm="b"))
        assert response.status_code == 403
    assert looking_client().post("/experiments/new/", form()).status_code == 403
    assert looking_client().post("/experiments/restore/").status_code == 403
    assert list(Experiment.objects.values()) == before


def test_who_may_look_sees_no_buttons_and_who_has_the_permission_may() -> None:
    draft = ExperimentFactory()
    client = looking_client()
    page = client.get(f"/experiments/{draft.pk}/").content.decode()
    assert 'data-opens="start"' not in page
    assert "New experiment" not in text_of(client.get("/experiments/"))
    User.objects.get(username="viewer").user_permissions.add(Permission.objects.get(codename="change_experiment"))
    assert 'data-opens="start"' in client.get(f"/experiments/{draft.pk}/").content.decode()
    assert client.post(f"/experiments/{draft.pk}/start/").status_code == 302
    assert Experiment.objects.get().is_running


def test_the_pages_take_as_many_queries_for_many_as_for_one() -> None:
    client = staff_client()
    first = measured(placement="one")
    few = (queries_of(client, "/experiments/"), queries_of(client, f"/experiments/{first.pk}/"))
    for place in range(5):
        measured(name=f"more {place}", placement=f"p{place}", users=(10, 10), buyers=(1, 1))
    for place in range(10):
        StrategyFactory()
        Rule.objects.create(
            name=f"r{place}",
            action="pin",
            audience={"arm": f"{first.name}/b"},
            state="published",
            published_at=timezone.now(),
        )
    assert (queries_of(client, "/experiments/"), queries_of(client, f"/experiments/{first.pk}/")) == few
    assert queries_of(client, f"/experiments/{ExperimentFactory().pk}/edit/") <= 14
    assert max(few) <= 18


def test_the_empty_list_says_what_an_experiment_is() -> None:
    assert "compares what they do" in text_of(staff_client().get("/experiments/"))


def test_the_page_says_in_words_what_was_found_and_that_it_was_looked_at_early() -> None:
    experiment = measured()
    words = text_of(staff_client().get(f"/experiments/{experiment.pk}/"))
    assert (
        "After 10 days, 15.0% of the users of arm b bought an item of their lists, against 10.0% of arm a: +5.0 points"
    ) in words
    assert "Not told apart yet; about" in words
    assert "days more at this pace to see a difference of 10%." in words
    assert "Looking every day raises false alarms" in words
    assert "To see a difference of 10% (10.0% against 11.0%), the control needs 14,751 users." in words
    assert "Revenue a user of arm b: +0.12 USD" in words
    found = text_of(staff_client().get(f"/experiments/{experiment.pk}/?lift=0.5"))
    assert "To see a difference of 50% (10.0% against 15.0%), the control needs 686 users." in found
    assert "Not told apart yet" in text_of(staff_client().get("/experiments/"))


def test_a_wrong_split_is_told_before_everything_else() -> None:
    experiment = measured(users=(300, 200), buyers=(3, 60))
    words = text_of(staff_client().get(f"/experiments/{experiment.pk}/"))
    assert "a has 300 users (250 expected), b has 200 users (250 expected)" in words
    assert "Do not trust this: the users are not split as planned." in words
    assert "not to be trusted" in words
    assert "Arm b is better" not in words
    assert "Users are not split as planned" in text_of(staff_client().get("/experiments/"))


def test_before_anything_was_counted_the_page_says_so_and_can_be_told_to_count() -> None:
    experiment = running_experiment()
    client = looking_client()
    assert "Nothing counted yet" in text_of(client.get(f"/experiments/{experiment.pk}/"))
    answer = client.post(f"/experiments/{experiment.pk}/measure/", headers=HTMX)
    assert "Counting" in toast_of(answer)["message"]
    assert "data-polls" in answer.content.decode()
    assert client.get(f"/experiments/{experiment.pk}/?polling=1", headers=HTMX).status_code == 204
    tasks.measure_experiment(Job.objects.get().pk)
    polled = client.get(f"/experiments/{experiment.pk}/?polling=1", headers=HTMX)
    assert "Nobody has been shown a list of it yet." in polled.content.decode()
    assert "data-polls" not in polled.content.decode()
    draft = ExperimentFactory()
    assert "nothing to count" in toast_of(client.post(f"/experiments/{draft.pk}/measure/", headers=HTMX))["message"]


def test_chart_and_csv_hold_the_figures() -> None:
    experiment = measured(arm_names=["=1+1", "b"])
    client = staff_client()
    chart = client.get(f"/experiments/{experiment.pk}/chart/?measure=purchase").content.decode()
    assert '["=1+1", 10.0, ' in chart
    assert "Of the users with a list: 10.0% of arm =1+1, 15.0% of arm b bought an item of their lists." in chart
    assert "clicked" in client.get(f"/experiments/{experiment.pk}/chart/?measure=click").content.decode()
    text = client.get(f"/experiments/{experiment.pk}/download/")
    assert text["Content-Type"].startswith("text/csv")
    rows = text.content.decode().splitlines()
    assert "arm,'=1+1,purchase,share of users,0.1," in "\n".join(rows)
    assert any(row.startswith("difference,b,purchase,ordinary,0.04999") for row in rows)
    for part in ("chart", "download"):
        assert client.get(f"/experiments/{ExperimentFactory().pk}/{part}/").status_code == 404


def test_rules_that_name_an_arm_are_listed_with_what_their_dates_mean() -> None:
    now = timezone.now()
    experiment = running_experiment(name="prices/2026", ends_at=now + timedelta(days=10))
    begun = experiment.started_at - timedelta(days=1)
    for name, fields in {
        "whole": {},
        "late": {"starts_at": now + timedelta(days=1)},
        "early": {"ends_at": now + timedelta(days=1)},
        "before": {"ends_at": experiment.started_at - timedelta(hours=1)},
        "after": {"starts_at": now + timedelta(days=11)},
        "elsewhere": {"audience": {"arm": "prices/2026/c"}},
    }.items():
        values = {"audience": {"arm": "prices/2026/b"}, **fields}
        Rule.objects.create(name=name, action="boost", state="published", published_at=begun, **values)
    Rule.objects.create(name="draft", action="boost", audience={"arm": "prices/2026/a"})
    from recommender.experiment_page import rules_of

    found = {row.rule.name: (row.arm, row.words.split(",")[0]) for row in rules_of(experiment)}
    assert found == {
        "whole": ("b", "Holds for the whole of it."),
        "late": ("b", "Begins after it"),
        "early": ("b", "Ends before it"),
        "before": ("b", "Its dates do not overlap the experiment's."),
        "after": ("b", "Its dates do not overlap the experiment's."),
        "draft": ("a", "A draft: it holds for nobody until it is published."),
    }


# ---------------------------------------------------------------- the form


def test_a_draft_is_written_and_changed_by_the_form() -> None:
    live, other = live_strategy(), StrategyFactory()
    client = staff_client()
    made = client.post("/experiments/new/", form(**{"arm-2-strategy": other.pk, "ends_at": "2031-02-03T18:30"}))
    draft = Experiment.objects.get()
    assert made.status_code == 302
    assert made["Location"] == f"/experiments/{draft.pk}/"
    assert (draft.traffic_share, draft.measure, draft.attribution_hours) == (0.5, "click", 24)
    assert draft.arms == [
        {"name": "a", "strategy": None, "share": 1.0},
        {"name": "b", "strategy": other.pk, "share": 3.0},
    ]
    assert f"{draft.ends_at:%Y-%m-%d %H:%M}" == "2031-02-03 18:30"
    page = client.get(f"/experiments/{draft.pk}/edit/").content.decode()
    assert 'value="2031-02-03T18:30"' in page
    assert f"now {live}" in page
    client.post(f"/experiments/{draft.pk}/edit/", form(traffic="12,5", **{"arm-3-name": "c"}))
    draft.refresh_from_db()
    assert (draft.traffic_share, [arm["name"] for arm in draft.arms], draft.ends_at) == (0.125, ["a", "b", "c"], None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "Give the experiment a name."),
        ({"traffic": "0"}, "Type a percentage above 0"),
        ({"traffic": "lots"}, "Type a percentage above 0"),
        ({"traffic": "nan"}, "Type a percentage above 0"),
        ({"attribution": "1.5"}, "Type whole hours"),
        ({"attribution": "inf"}, "Type whole hours"),
        ({"ends_at": "soon"}, "Type a day and a time"),
        ({"ends_at": "2026-02-30T10:00"}, "Type a day and a time"),
        ({"ends_at": "2001-01-01T00:00"}, "in the past"),
        ({"arm-2-name": ""}, "Give the arm a name"),
        ({"arm-2-share": "-1"}, "Type a share above 0"),
        ({"arm-2-name": "a"}, "Two arms are named"),
        ({"arm-2-strategy": "x"}, "is not published"),
        ({"measure": "view"}, "Choose clicks, carts or purchases"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(changes: dict[str, str], words: str) -> None:
    answer = staff_client().post("/experiments/new/", form(hypothesis="kept <b>", **changes))
    assert words in text_of(answer)
    assert "Nothing was saved." in text_of(answer)
    assert 'value="kept &lt;b&gt;"' in answer.content.decode()
    assert not Experiment.objects.exists()


def test_what_has_run_is_not_edited() -> None:
    running = running_experiment()
    client = staff_client()
    assert client.get(f"/experiments/{running.pk}/edit/").status_code == 302
    answer = client.post(f"/experiments/{running.pk}/edit/", form())
    assert "has been started" in text_of(answer)
    assert Experiment.objects.get().name == running.name


# ---------------------------------------------------------------- acts


def test_from_start_to_promotion_and_back() -> None:
    live, other = live_strategy(), StrategyFactory(name="fresh")
    client = staff_client()
    client.post("/experiments/new/", form(**{"arm-2-strategy": other.pk}))
    address = f"/experiments/{Experiment.objects.get().pk}"
    started = client.post(f"{address}/start/", headers=HTMX)
    assert toast_of(started)["message"] == "“prices” runs."
    assert "An experiment runs: prices" in text_of(client.get("/strategies/default/"))
    stopped = toast_of(client.post(f"{address}/stop/", {"note": "wait"}, headers=HTMX))
    assert client.post(stopped["undo"]["url"], headers=HTMX).status_code == 200
    assert Experiment.objects.get().is_running
    promoted = toast_of(client.post(f"{address}/promote/", {"arm": "b"}, headers=HTMX))
    assert promoted["message"] == "Arm b is promoted: fresh v1 is live."
    assert live_strategy() == other
    assert "reaches only users outside it" not in text_of(client.get("/strategies/default/"))
    client.post(promoted["undo"]["url"], promoted["undo"]["values"], headers=HTMX)
    assert (live_strategy(), Experiment.objects.get().promoted_arm) == (live, "")


def test_promoting_an_arm_of_rules_says_which_rules_to_publish() -> None:
    experiment = running_experiment(name="spring")
    Rule.objects.create(
        name="Spring first",
        action="boost",
        audience={"arm": "spring/b"},
        state="published",
        published_at=timezone.now(),
    )
    answer = staff_client().post(f"/experiments/{experiment.pk}/promote/", {"arm": "b"}, headers=HTMX)
    assert "now publish its rules for everybody" in toast_of(answer)["message"]
    assert "undo" not in toast_of(answer)
    assert "The arms differ by rules alone." in answer.content.decode()
    assert "Spring first v1" in answer.content.decode()


def test_what_is_refused_is_said_and_swaps_nothing() -> None:
    first = running_experiment(name="first")
    draft = ExperimentFactory()
    client = staff_client()
    refused = client.post(f"/experiments/{draft.pk}/start/", headers=HTMX)
    assert refused.status_code == 204
    assert "“first” runs on all placements already" in toast_of(refused)["message"]
    plain = client.post(f"/experiments/{draft.pk}/start/", follow=True)
    assert "“first” runs on all placements already" in text_of(plain)
    assert [each.pk for each in Experiment.objects.running()] == [first.pk]
    for act in ACTS[:-1]:
        assert client.post(f"/experiments/999999/{act}/", headers=HTMX).status_code == 204
        assert client.get(f"/experiments/{draft.pk}/{act}/").status_code == 405
    assert client.get("/experiments/999999/").status_code == 404


def test_a_deleted_draft_is_brought_back_by_the_next_page() -> None:
    draft = ExperimentFactory(name="prices")
    before = list(Experiment.objects.values())
    client = staff_client()
    gone = client.post(f"/experiments/{draft.pk}/delete/", headers=HTMX)
    assert gone["HX-Redirect"] == "/experiments/?deleted=1"
    assert "The draft “prices” is deleted." in text_of(client.get("/experiments/?deleted=1"))
    assert client.post("/experiments/restore/").status_code == 302
    again = list(Experiment.objects.values())
    assert [{**each, "created_at": None, "salt": ""} for each in again] == [
        {**each, "created_at": None, "salt": ""} for each in before
    ]
    assert "too long ago" in text_of(client.post("/experiments/restore/", follow=True))
