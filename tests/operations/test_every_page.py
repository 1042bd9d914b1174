"""Every page of the console: in the list of pages, answering, and in Chinese without an English word."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from catalog.models import ItemLabel, Label
from recommender.models import EndUser
from recommender.slates import recommend
from tests.console_pages import ACTS, APART, PAGES, PARTS, addresses, names_of_addresses
from tests.console_shop import Shop, build_shop
from tests.factories import EndUserFactory, JobFactory
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
    "product-types",
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


def chinese() -> Client:
    client = staff_client()
    client.cookies["django_language"] = "zh-hans"
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    return client


def test_notices_of_lists_are_chinese_on_a_chinese_page_and_in_an_answer_to_a_chinese_client(shop: Shop) -> None:
    EndUserFactory(external_id="3000")
    EndUser.objects.filter(pk=shop.user.pk).update(interests_event_id=None)
    client, found = chinese(), {}
    for query in ("user=9999", "user=3000", "user=2000", "user=2000&n=100", "user=2000&repeats=exclude&n=50"):
        page = client.get(f"{reverse('user-list')}?{query}", headers=HTMX).content.decode()
        assert "list-notice" in page or query == "user=2000"
        if english := english_in(page):
            found[query] = english
    assert found == {}
    with translation.override("zh-hans"):
        notice = recommend("2000", n=100, record=False).notice
    assert notice and not _english_words(notice)
    with translation.override("en"):
        assert "asked for: no more items" in recommend("2000", n=100, record=False).notice


def test_what_is_refused_is_refused_in_chinese(shop: Shop) -> None:
    ended = JobFactory(title="Import 2.csv", status="succeeded")
    tea = Label.objects.get(name="茶")
    Label.objects.filter(name="肥皂").update(is_deprecated=True)
    soap, waiting = Label.objects.get(name="肥皂"), ItemLabel.objects.filter(decision="").latest("pk")
    price = {"action": "bury", "name": "1", "brands": ["磨坊"], "price_from": "9", "price_to": "1", "strength": "1"}
    asked: list[tuple[str, dict[str, object]]] = [
        (reverse("job_cancel", args=[ended.pk]), {}),
        (reverse("job_retry", args=[ended.pk]), {}),
        (reverse("label-preview", args=[soap.pk, "merge"]), {"chosen": tea.pk}),
        (reverse("label-preview", args=[tea.pk, "merge"]), {"chosen": tea.parent_id}),
        (reverse("label-preview", args=[tea.pk, "move"]), {"chosen": tea.pk}),
        (reverse("label-edit", args=[tea.pk, "rename"]), {"name": "面包", "expected_path": tea.path}),
        (reverse("label-edit", args=[tea.pk, "rename"]), {"name": "绿茶", "expected_path": "1"}),
        (reverse("label-edit", args=[tea.pk, "describe"]), {"description": "长" * 3_000, "expected_path": tea.path}),
        (reverse("label-add", args=[shop.taxonomy.pk]), {"name": ""}),
        (reverse("taxonomy-new"), {"name": "场合", "choice": "single", "question": "?", "abstain_below": "20"}),
        (reverse("taxonomy-heads", args=[shop.taxonomy.slug]), {"act": "train"}),
        (reverse("rule-check"), price),
        (reverse("record-event"), {"user": "2000", "item": "9", "type": "view"}),
        (reverse("item-label-decision", args=[waiting.pk]), {"act": "undo"}),
    ]
    client, found = chinese(), {}
    for address, values in asked:
        response = client.post(address, values, headers=HTMX)
        toast = json.loads(response.headers.get("HX-Trigger", "{}")).get("toast", {})
        page = response.content.decode()
        said = [*english_in(page), *([toast["message"]] if _english_words(toast.get("message", "")) - NAMES else [])]
        refused = toast.get("kind") == "danger" or any(mark in page for mark in ('role="alert"', "error", "muted"))
        assert refused, address
        if said:
            found[address] = said
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


def test_english_is_told_from_names_code_and_other_languages() -> None:
    page = (
        '<html lang="zh-hans"><p title="Close">保存 JSON</p><code>Item</code><a lang="en">English</a>'
        '<img alt="A loaf"><p>共 <b>Items</b> 件 /catalog/x a_b</p></html>'
    )
    assert english_in(page) == ["Close", "A loaf", "Items"]
