"""How a page is walked: by which keys, and in which language."""

from __future__ import annotations

import re

import pytest
from django.utils.translation import gettext, ngettext
from playwright.sync_api import Locator, Page, expect

in_every_language = pytest.mark.parametrize("language", ["en", "zh-hans"], indirect=True)
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def like(marked: str, plural: str = "") -> re.Pattern[str]:
    """A sentence as the pages say it in the language of the test, whatever stands at its placeholders."""
    said = ngettext(marked, plural, 2) if plural else gettext(marked)
    return re.compile(".*".join(re.escape(text) for text in PLACEHOLDER.split(said)))


def tab_to(console: Page, wanted: Locator, *, key: str = "Tab") -> None:
    """By Tab, or Shift+Tab, alone."""
    expect(wanted).to_be_visible()
    for _ in range(80):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        console.keyboard.press(key)
    pytest.fail(f"{key} does not reach {wanted}")


def type_anew(console: Page, text: str) -> None:
    console.keyboard.press("ControlOrMeta+a")
    console.keyboard.type(text)
