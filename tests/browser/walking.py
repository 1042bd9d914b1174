"""How a page is walked: by which keys, and in which language."""

from __future__ import annotations

import re

import pytest
from django.utils.translation import gettext, ngettext
from playwright.sync_api import Locator, Page, expect

in_every_language = pytest.mark.parametrize("language", ["en", "zh-hans"], indirect=True)
PLACEHOLDER = re.compile(r"%\\\((\w+)\\\)s")  # once the sentence is escaped


def like(marked: str, plural: str = "", **known: str) -> re.Pattern[str]:
    """A sentence as the pages say it in the language of the test: what is known stands at its placeholder, and at the
    others whatever may."""
    said = ngettext(marked, plural, 2) if plural else gettext(marked)
    return re.compile(PLACEHOLDER.sub(lambda at: re.escape(known[at[1]]) if at[1] in known else ".*", re.escape(said)))


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
