"""Settings of the site and of each member of staff: what holds, what is refused, and in whose time it is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from recsite.operations import preferences, site_settings
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import Setting, StaffPreferences
from tests.factories import JobFactory, StaffFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def signed_in(**fields: object) -> tuple[Client, StaffPreferences]:
    staff, client = StaffFactory(), Client()
    client.force_login(staff)
    return client, StaffPreferences.objects.create(staff=staff, **fields)


# ---------------------------------------------------------------- of the site


def test_a_setting_has_its_default_until_somebody_changes_it() -> None:
    assert site_settings.value("changes_kept_days") == 365
    staff = StaffFactory(username="ann")
    site_settings.change("changes_kept_days", "30", staff=staff)
    assert site_settings.value("changes_kept_days") == 30
    assert Setting.objects.get(key="changes_kept_days").changed_by == staff
    site_settings.reset("changes_kept_days", staff=staff)
    assert site_settings.value("changes_kept_days") == 365


def test_many_readings_ask_the_database_once(django_assert_num_queries) -> None:
    site_settings.forget()
    with django_assert_num_queries(1):
        for _ in range(50):
            site_settings.value("changes_kept_days")
            site_settings.value("slates_kept_days")


def test_the_environments_days_are_the_default_of_how_long_lists_are_kept(settings) -> None:
    settings.SLATE_RETENTION_DAYS = 12
    assert site_settings.value("slates_kept_days") == 12


@pytest.mark.parametrize("written", ["", "-1", "36501", "ten", "1.5", "٣", "9" * 30])
def test_a_value_out_of_range_is_refused_and_stays_in_its_field(written: str) -> None:
    answer = staff_client().post("/settings/site/changes_kept_days/", {"value": written}, headers=HTMX)
    assert "Changes by staff:" in text_of(answer)
    assert f'value="{written}"' in answer.content.decode()
    assert not Setting.objects.filter(key="changes_kept_days").exists()


def test_a_zone_nobody_knows_and_a_setting_nobody_defined_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="Europe/Berlin"):
        site_settings.change("console_time_zone", "Mars/Olympus", staff=StaffFactory())
    with pytest.raises(InvalidInputError, match="no setting"):
        site_settings.value("no_such")
    assert staff_client().post("/settings/site/no_such/", {"value": "1"}).status_code == 404
    assert staff_client().post("/settings/site/_roles_given/", {"act": "reset"}).status_code == 404


def test_the_page_says_default_current_and_who_changed_it_and_undo_takes_it_back() -> None:
    client = staff_client()
    answer = client.post("/settings/site/changes_kept_days/", {"value": "30"}, headers=HTMX)
    words = text_of(client.get("/settings/"))
    assert "Default: 365 · changed by staff, just now" in words
    client.post(toast_of(answer)["undo"]["url"], headers=HTMX)
    assert site_settings.value("changes_kept_days") == 365


def test_the_page_is_for_staff_and_takes_as_many_queries_whatever_was_changed() -> None:
    assert_guarded("/settings/")
    client = staff_client()
    few = queries_of(client, "/settings/")
    for key in ("changes_kept_days", "slates_kept_days"):
        site_settings.change(key, "7", staff=StaffFactory())
    assert queries_of(client, "/settings/") == few


# ---------------------------------------------------------------- one's own


def shown_time(client: Client) -> str:
    moment = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    job = JobFactory(status="succeeded")
    type(job).objects.filter(pk=job.pk).update(created_at=moment)
    return client.get(f"/operations/jobs/{job.pk}/").content.decode()


def test_times_are_shown_in_ones_own_zone_then_the_browsers_then_the_sites() -> None:
    client, own = signed_in()
    assert "2026-01-05 23:30:00 UTC" in shown_time(client)
    site_settings.change("console_time_zone", "Asia/Tokyo", staff=own.staff)
    assert "2026-01-06 08:30:00 JST" in shown_time(client)
    client.cookies[preferences.ZONE_COOKIE] = "Europe/Berlin"
    assert "2026-01-06 00:30:00 CET" in shown_time(client)
    preferences.change(own.staff, time_zone="America/New_York")
    assert "2026-01-05 18:30:00 EST" in shown_time(client)


def test_a_cookie_with_nonsense_is_no_zone_and_the_zone_ends_with_the_request() -> None:
    client, _ = signed_in()
    client.cookies[preferences.ZONE_COOKIE] = "../../etc/passwd"
    assert "2026-01-05 23:30:00 UTC" in shown_time(client)
    client.cookies[preferences.ZONE_COOKIE] = "Asia/Tokyo"
    shown_time(client)
    assert timezone.get_current_timezone_name() == django_settings.TIME_ZONE


def test_ones_language_holds_where_the_browser_chose_none() -> None:
    client, _ = signed_in(language="zh-hans")
    assert 'lang="zh-hans"' in client.get("/catalog/").content.decode()
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = "en"
    assert '<html lang="en"' in client.get("/catalog/").content.decode()


def test_saving_ones_own_keeps_what_the_form_does_not_name() -> None:
    client, own = signed_in(time_zone="Asia/Tokyo")
    client.post("/settings/mine/", {"theme": "dark"}, headers=HTMX)
    client.post("/settings/mine/", {"single_keys": "off"}, headers=HTMX)
    own.refresh_from_db()
    assert (own.time_zone, own.theme, own.single_keys) == ("Asia/Tokyo", "dark", False)
    page = client.get("/settings/").content.decode()
    assert 'data-own-theme="dark" data-own-keys="off"' in page
    client.post("/settings/mine/", {"theme": "", "single_keys": "", "language": "zh-hans"})
    own.refresh_from_db()
    assert (own.theme, own.single_keys, own.language) == ("", None, "zh-hans")
    assert client.cookies[django_settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars"}, {"language": "tlh"}, {"theme": "neon"}])
def test_what_the_console_does_not_know_is_refused(wrong: dict[str, str]) -> None:
    client, own = signed_in(time_zone="Asia/Tokyo", language="en", theme="light")
    client.post("/settings/mine/", wrong)
    own.refresh_from_db()
    assert (own.time_zone, own.language, own.theme) == ("Asia/Tokyo", "en", "light")


def test_when_somebody_was_here_is_noted_once_in_five_minutes() -> None:
    client, own = signed_in()
    client.get("/catalog/")
    own.refresh_from_db()
    first = own.last_seen_at
    assert first is not None
    client.get("/catalog/")
    own.refresh_from_db()
    assert own.last_seen_at == first
    StaffPreferences.objects.filter(pk=own.pk).update(last_seen_at=first - timedelta(minutes=6))
    client.get("/catalog/")
    own.refresh_from_db()
    assert own.last_seen_at is not None
    assert own.last_seen_at >= first
