"""What each role may open and do: one table of every address of the console, and how roles are made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from recsite.operations import roles
from recsite.operations.models import Setting
from tests.factories import StaffFactory
from tests.pages import HTMX, text_of, toast_of

pytestmark = pytest.mark.django_db

NOBODY, VIEWER, REVIEWER, MERCHANDISER, ADMIN = "", roles.VIEWER, roles.REVIEWER, roles.MERCHANDISER, roles.ADMIN
IN_ORDER = (NOBODY, *roles.ROLES)
PK, SLUG, ID = {"pk": 999_999_999}, {"slug": "no-such-taxonomy"}, {"external_id": "no-such"}
UUID = {"public_id": "00000000-0000-4000-8000-000000000000"}

# name: (what it takes, the lowest role that may GET, the lowest that may POST). None: there is no such method.
PAGES: dict[str, tuple[dict[str, object], str | None, str | None]] = {
    "home": ({}, NOBODY, None),
    "events-chart": ({}, NOBODY, None),
    "search": ({}, NOBODY, None),
    "item-options": ({}, NOBODY, None),
    "users": ({}, NOBODY, None),
    "user": (ID, NOBODY, None),
    "user-list": ({}, NOBODY, None),
    "record-event": ({}, None, MERCHANDISER),
    "user-freshness": (PK, NOBODY, None),
    "user-interests": (PK, NOBODY, None),
    "user-preferences": (PK, NOBODY, MERCHANDISER),
    "user-timeline": (PK, NOBODY, None),
    "evaluations": ({}, NOBODY, MERCHANDISER),
    "evaluation-list": ({}, NOBODY, None),
    "evaluation-compare": ({}, NOBODY, None),
    "evaluation": (PK, NOBODY, None),
    "evaluation-chart": (PK, NOBODY, None),
    "evaluation-download": (PK, NOBODY, None),
    "evaluation-keep": (PK, None, MERCHANDISER),
    "evaluation-delete": (PK, None, MERCHANDISER),
    "data-quality": ({}, NOBODY, None),
    "interest-encoder": ({}, NOBODY, ADMIN),
    "label-reach": ({}, NOBODY, None),
    "strategies": ({}, NOBODY, None),
    "strategy": ({"name": "no-such"}, NOBODY, None),
    "strategy-draft": (PK, None, MERCHANDISER),
    "strategy-discard": (PK, None, MERCHANDISER),
    "strategy-live": (PK, None, MERCHANDISER),
    "strategy-edit": (PK, MERCHANDISER, MERCHANDISER),
    "strategy-changes": (PK, None, MERCHANDISER),
    "strategy-preview": (PK, None, MERCHANDISER),
    "item-next": (PK, NOBODY, None),
    "item-activity": (PK, NOBODY, None),
    "catalog": ({}, NOBODY, None),
    "item": (ID, NOBODY, None),
    "item-similar": (PK, NOBODY, None),
    "item-visibility": (PK, None, MERCHANDISER),
    "taxonomies": ({}, NOBODY, None),
    "taxonomy": (SLUG, NOBODY, None),
    "taxonomy-new": ({}, MERCHANDISER, MERCHANDISER),
    "taxonomy-import": ({}, MERCHANDISER, MERCHANDISER),
    "taxonomy-branch": (PK, NOBODY, None),
    "taxonomy-search": (PK, NOBODY, None),
    "taxonomy-export": (PK, NOBODY, None),
    "taxonomy-settings": (PK, MERCHANDISER, MERCHANDISER),
    "label-add": (PK, MERCHANDISER, MERCHANDISER),
    "label-panel": (PK, NOBODY, None),
    "label-edit": ({**PK, "act": "rename"}, MERCHANDISER, MERCHANDISER),
    "label-preview": ({**PK, "act": "rename"}, None, MERCHANDISER),
    "label-options": (PK, NOBODY, None),
    "models": ({}, NOBODY, None),
    "model-states": ({}, NOBODY, None),
    "taxonomy-confidence": (SLUG, NOBODY, None),
    "taxonomy-abstaining": (SLUG, NOBODY, MERCHANDISER),
    "taxonomy-auto-accept": (SLUG, NOBODY, MERCHANDISER),
    "taxonomy-take-back": (SLUG, None, MERCHANDISER),
    "taxonomy-heads": (SLUG, None, ADMIN),
    "item-label-decision": (PK, None, REVIEWER),
    "insights": ({}, NOBODY, None),
    "insights-file": ({"key": "events", "form": "csv"}, NOBODY, None),
    "why-not": ({}, NOBODY, None),
    "why-not-page": ({}, NOBODY, None),
    "audit": ({}, NOBODY, None),
    "audit-diff": ({}, NOBODY, None),
    "audit-export": ({}, None, NOBODY),
    "audit-export-file": (PK, NOBODY, None),
    "slate": (UUID, NOBODY, None),
    "slate-replay": (UUID, NOBODY, None),
    "user-label-events": ({**PK, "label_pk": 1}, NOBODY, None),
    "list-label-options": ({}, NOBODY, None),
    "brand-options": ({}, NOBODY, None),
    "interest-map": (PK, NOBODY, NOBODY),
    "interest-map-data": (PK, NOBODY, None),
    "review-impact": ({}, NOBODY, None),
    "auto-accept-impact": (SLUG, NOBODY, None),
    "label-impact": ({}, NOBODY, None),
    "rules": ({}, NOBODY, None),
    "rule": ({"name": "no-such"}, NOBODY, None),
    "rule-new": ({}, MERCHANDISER, MERCHANDISER),
    "rule-edit": (PK, MERCHANDISER, MERCHANDISER),
    "rule-draft": (PK, None, MERCHANDISER),
    "rule-discard": (PK, None, MERCHANDISER),
    "rule-move": (PK, None, MERCHANDISER),
    "rule-act": ({**PK, "act": "publish"}, None, MERCHANDISER),
    "rule-check": ({}, None, NOBODY),
    "rule-preview": ({}, None, NOBODY),
    "rule-choices": ({}, NOBODY, None),
    "golden-users": ({}, NOBODY, None),
    "golden-new": ({}, MERCHANDISER, MERCHANDISER),
    "golden-edit": (PK, MERCHANDISER, MERCHANDISER),
    "golden-check": ({}, None, MERCHANDISER),
    "golden-preview": ({}, None, NOBODY),
    "golden-restore": ({}, None, MERCHANDISER),
    "golden-act": ({**PK, "act": "off"}, None, MERCHANDISER),
    "item-rules": (PK, NOBODY, None),
    "item-audience": (PK, NOBODY, None),
    "experiments": ({}, NOBODY, None),
    "experiment": (PK, NOBODY, None),
    "experiment-chart": (PK, NOBODY, None),
    "experiment-download": (PK, NOBODY, None),
    "experiment-new": ({}, MERCHANDISER, MERCHANDISER),
    "experiment-edit": (PK, MERCHANDISER, MERCHANDISER),
    "experiment-measure": (PK, None, NOBODY),
    **{
        f"experiment-{act}": (PK, None, MERCHANDISER)
        for act in ("start", "stop", "resume", "promote", "unpromote", "delete")
    },
    "experiment-restore": ({}, None, MERCHANDISER),
    "jobs": ({}, NOBODY, None),
    "job-tray": ({}, NOBODY, None),
    "job": (PK, NOBODY, None),
    "job_cancel": (PK, None, MERCHANDISER),
    "job_retry": (PK, None, MERCHANDISER),
    "changes": ({}, VIEWER, None),
    "changes-of": ({"kind": "item"}, NOBODY, None),  # an empty part to whom may not see changes
    "settings": ({}, NOBODY, None),
    "preferences": ({}, None, NOBODY),
    "site-settings": ({}, NOBODY, None),
    "setting": ({"key": "changes_kept_days"}, None, ADMIN),
    "api-keys": ({}, VIEWER, None),
    "api-key-new": ({}, None, ADMIN),
    "api-key-revoke": ({"prefix": "no-such"}, None, ADMIN),
    "staff": ({}, VIEWER, None),
    "staff-new": ({}, None, ADMIN),
    "staff-role": (PK, None, ADMIN),
    "staff-active": (PK, None, ADMIN),
    "saved-views": ({}, NOBODY, None),
    "saved-view-new": ({}, None, NOBODY),
    "saved-view": (PK, None, NOBODY),
}
# Tested where they belong: who may do what depends on the change, on a key's scopes, or on nothing.
ELSEWHERE = {"change-revert", "login", "logout", "set_language", "health-live", "health-ready", "schema", "api-docs"}


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from names(one.url_patterns)
        elif (one.name and not one.name.startswith("api-")) or one.name in PAGES:
            yield one.name


def client_of(role: str) -> Client:
    account = StaffFactory(is_superuser=False)
    if role:
        account.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(account)
    return client


def test_every_address_is_in_the_table() -> None:
    found = set(names(get_resolver().url_patterns)) - ELSEWHERE
    assert found == set(PAGES), "say in PAGES which role may open it, and which may act"


@pytest.mark.parametrize("role", IN_ORDER)
def test_each_role_may_open_and_do_what_the_table_says(role: str) -> None:
    client, wrong = client_of(role), []
    for name, (takes, get, post) in PAGES.items():
        address = reverse(name, kwargs=takes)
        for method, lowest in (("get", get), ("post", post)):
            if lowest is None:
                continue
            status = getattr(client, method)(address, {"name": "x"}).status_code
            is_allowed = IN_ORDER.index(role) >= IN_ORDER.index(lowest)
            if (status == 403) is is_allowed or status >= 500:
                wrong.append((method, name, status))
    assert wrong == []


def test_who_is_refused_is_told_the_role_and_who_gives_it_and_nothing_is_written() -> None:
    StaffFactory(username="grace")
    viewer = client_of(VIEWER)
    page = viewer.get("/strategy-versions/1/edit/")
    assert page.status_code == 403
    assert "This needs the role “Merchandiser”. Yours is “Viewer”." in text_of(page)
    assert "grace" in text_of(page)
    part = viewer.post("/settings/site/changes_kept_days/", {"value": "9"}, headers=HTMX)
    assert part.status_code == 403
    assert toast_of(part)["message"] == "This needs the role “Admin”; an admin gives it under Settings, Staff."
    assert not Setting.objects.filter(key="changes_kept_days").exists()


def test_buttons_that_one_may_not_use_are_not_there() -> None:
    assert "New draft" not in text_of(client_of(VIEWER).get("/strategies/"))
    assert "New draft" in text_of(client_of(MERCHANDISER).get("/strategies/"))
    assert "New key" not in text_of(client_of(MERCHANDISER).get("/settings/keys/"))
    assert "New key" in text_of(client_of(ADMIN).get("/settings/keys/"))


def make_again() -> None:
    for app in apps.get_app_configs():
        roles.make(app)


def test_making_roles_again_keeps_what_an_admin_added_and_what_one_took_away() -> None:
    group = Group.objects.get(name=REVIEWER)
    added = Permission.objects.get(codename="change_item")
    taken = Permission.objects.get(codename="change_itemlabel")
    group.permissions.add(added)
    group.permissions.remove(taken)
    make_again()
    assert added in group.permissions.all()
    assert taken not in group.permissions.all()


def test_staff_from_before_there_were_roles_may_do_what_they_could_and_no_more() -> None:
    plain, boss = StaffFactory(is_superuser=False), StaffFactory()
    shopper = User.objects.create_user("shopper")
    Setting.objects.filter(key=roles.GIVEN).delete()
    make_again()
    assert [group.name for group in plain.groups.all()] == [MERCHANDISER]
    assert not boss.groups.exists()
    assert not shopper.groups.exists()
    newcomer = StaffFactory(is_superuser=False)
    make_again()
    assert not newcomer.groups.exists()


def test_each_role_may_what_the_one_before_it_may() -> None:
    sets = [set(roles.permissions_of(role)) for role in roles.ROLES]
    assert sets[0] < sets[1] < sets[2] < sets[3]
    stored = Group.objects.get(name=ADMIN).permissions
    assert stored.count() == len(sets[3])


def test_an_admin_who_is_no_superuser_cannot_change_a_superusers_account_in_the_administration() -> None:
    boss, admin = StaffFactory(), client_of(ADMIN)
    address = reverse("admin:auth_user_change", args=[boss.pk])
    admin.post(address, {"username": "mine", "is_active": "on"})
    boss.refresh_from_db()
    assert boss.username != "mine"
    assert admin.post(reverse("admin:auth_user_password_change", args=[boss.pk])).status_code == 403
