"""The browser that the tests drive: the system's Chromium, on the real pages, with a real Celery worker behind them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from tests.browser.tour import CHROMIUM, FLAGS

PASSWORD = "correct horse battery staple"
# Playwright keeps an event loop in this thread, and Django would refuse the ORM beside one.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        reason = "no chromium on this machine: apt-get install chromium, or run .ci/run, which installs it"
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture
def staff(transactional_db: None) -> User:
    return User.objects.create_superuser("mira", password=PASSWORD)


@pytest.fixture
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the pages speak, and `gettext` in the test: English, or each that `in_every_language` asks for."""
    code: str = getattr(request, "param", "en")
    with translation.override(code):
        yield code


@pytest.fixture
def console(page: Page, live_server: Any, staff: User, language: str) -> Iterator[Page]:
    """A page that is signed in and stands at home; an error in its console fails the test."""
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": live_server.url}])
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda said: errors.append(f"{said.text} {said.location['url']}") if said.type == "error" else None
    )
    page.goto(f"{live_server.url}/")
    page.get_by_label(_("User name")).fill(staff.username)
    page.get_by_label(_("Password"), exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=_("Home"), exact=True)).to_be_visible()
    page.wait_for_load_state("load")  # the heading is there before the scripts that listen to keys
    yield page
    assert errors == []
