"""Every page of the console: in the list of pages, answering, and in Chinese without an English word."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from tests.console_pages import ACTS, APART, PAGES, PARTS, addresses, names_of_addresses
from tests.console_shop import Shop, build_shop
from tests.pages import HTMX, staff_client

pytestmark = pytest.mark.django_db

# Names of products, formats, models and units, which are the same in Chinese.
NAMES = {
    *("api", "bpr", "csv", "ease", "gorse", "hnsw", "hr", "id", "itemknn", "json", "jsonl", "mb", "gb", "mrr", "ms"),
    *("ndcg", "parquet", "png", "recbole", "recsite", "svg", "url", "utc", "llm", "google", "shopify", "personalize"),
    *("amazon", "merchant", "postgresql", "valkey", "rss", "atom", "tsv", "xml", "http", "https", "sku"),
}
KEYS = {"enter", "esc", "tab", "shift", "ctrl", "alt"}
# What staff type as it stands, whatever their language: commands, names of columns and icons, examples of them.
AS_IT_STANDS = (
    "JSON Lines",
    "“checkout”",
    "home 或 basket",
    "POST ",
    "“Do people buy it for {label}?”",
    "make run",
    "manage.py prepare",
    "label 列",
    "{label}",
)
TYPED = {"bread", "zh", "hans", "default", "staff", "brier", "all", "minilm", "test", "embedder", "letters"}
# Tags whose text is data or code, whatever the language.
SILENT = {"script", "style", "code", "kbd", "svg", "textarea", "pre"}
SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-title")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
WORD = re.compile(r"[A-Za-z][A-Za-z’']+")


class Words(HTMLParser):
    """What a reader sees or hears, but for code and for what says that it is in another language."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        lang = values.get("lang")
        is_icon = "material-symbols-outlined" in (values.get("class") or "")  # whose name the font draws
        is_silent = tag in SILENT or is_icon or (tag != "html" and lang is not None and not lang.startswith("zh"))
        if not self._is_silent() and not is_silent:
            self.said += [values[name] or "" for name in SPOKEN if name in values]
        if tag not in VOID:
            self._open.append((tag, is_silent))

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if not self._is_silent():
            self.said.append(data)

    def _is_silent(self) -> bool:
        return any(silent for _, silent in self._open)


def english_in(html: str) -> list[str]:
    """The texts with a word that is no name and not to be typed as it stands."""
    words = Words()
    words.feed(html)
    return [" ".join(text.split()) for text in words.said if _english_words(text) - NAMES - KEYS - TYPED]


def _english_words(text: str) -> set[str]:
    for example in AS_IT_STANDS:
        text = text.replace(example, " ")
    without_paths = re.sub(r"\S*[/_@.]\w\S*", " ", text)
    return {word.lower() for word in WORD.findall(without_paths)}


@pytest.fixture()
def shop() -> Shop:
    return build_shop()


def test_every_address_is_a_page_a_part_an_act_or_apart() -> None:
    listed = [*(name for name in PAGES if not name.startswith("admin:")), *PARTS, *ACTS, *APART]
    missing = names_of_addresses() - set(listed)
    assert missing == set(), "say in tests/console_pages.py what these addresses are"
    assert set(listed) - names_of_addresses() == set(), "these addresses are no more"
    assert len(listed) == len(set(listed))


def test_every_page_and_part_answers(shop: Shop) -> None:
    client = staff_client()
    answers = {address: client.get(address).status_code for address in addresses(shop, PAGES)}
    answers |= {address: client.get(address, headers=HTMX).status_code for address in addresses(shop, PARTS)}
    assert {address: status for address, status in answers.items() if status not in (200, 204)} == {}


def test_no_english_word_is_left_on_a_chinese_page(shop: Shop) -> None:
    client = staff_client()
    client.cookies["django_language"] = "zh-hans"
    found = {}
    for address in [*addresses(shop, PAGES), *addresses(shop, PARTS), "/no-such-page/"]:
        is_part = address in addresses(shop, PARTS)
        response = client.get(address, headers={"Accept-Language": "zh-hans", **(HTMX if is_part else {})})
        if english := english_in(response.content.decode()):
            found[address] = sorted(set(english))
    stranger = Client(headers={"Accept-Language": "zh-hans"}).get(reverse("login")).content.decode()
    if english := english_in(stranger):
        found["login"] = english
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


def test_english_is_told_from_names_code_and_other_languages() -> None:
    page = (
        '<html lang="zh-hans"><p title="Close">保存 JSON</p><code>Item</code><a lang="en">English</a>'
        '<img alt="A loaf"><p>共 <b>Items</b> 件 /catalog/x a_b</p></html>'
    )
    assert english_in(page) == ["Close", "A loaf", "Items"]
