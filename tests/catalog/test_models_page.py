"""The page of models: what is here, what is on its way, and what was asked and cost by day."""

from __future__ import annotations

import csv
from datetime import UTC, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.utils import timezone

from catalog import labelling, model_report
from catalog.labelling import ModelStatus
from catalog.models import ItemLabel, ModelUsage
from recsite.operations.embedded import fetching
from recsite.operations.embedded.fetching import Status
from recsite.operations.embedded.home import Home
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of

pytestmark = pytest.mark.django_db
ADDRESS = "/operations/models/"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings) -> Home:
    made = Home(tmp_path)
    made.create()
    settings.RECSITE_HOME = tmp_path
    settings.LABEL_EMBEDDER_PATH = str(tmp_path / "models" / "all-mpnet-base-v2")
    settings.LLM_PRICE_PER_M_PROMPT = settings.LLM_PRICE_PER_M_COMPLETION = None
    return made


@pytest.fixture
def says(monkeypatch, settings):
    """What the language model's server says of itself."""

    def say(state: str, detail: str = "") -> None:
        settings.LLM_BASE_URL = "http://127.0.0.1:4711/v1"
        monkeypatch.setattr(labelling, "model_status", lambda: ModelStatus(state, "tiny", detail))

    return say


def use(days_ago: int, purpose: str = "label", model: str = "tiny", **counts) -> ModelUsage:
    day = timezone.now().astimezone(UTC).date() - timedelta(days=days_ago)
    return ModelUsage.objects.create(day=day, model=model, purpose=purpose, **counts)


def labelled(days_ago: int, n: int, model: str = "tiny") -> None:
    label, when = LabelFactory(), timezone.now() - timedelta(days=days_ago)
    for _ in range(n):
        row = ItemLabelFactory(label=label, model=model)
        ItemLabel.objects.filter(pk=row.pk).update(suggested_at=when)


def test_the_page_is_for_staff() -> None:
    for address in (ADDRESS, f"{ADDRESS}states/", f"{ADDRESS}?format=csv"):
        assert_guarded(address)


def test_it_takes_as_many_queries_for_many_days_as_for_one() -> None:
    use(0, calls=1)
    client = staff_client()
    few = queries_of(client, ADDRESS)
    for days_ago in range(1, 20):
        use(days_ago, calls=1)
        use(days_ago, "describe", calls=1)
    labelled(3, 5)
    assert queries_of(client, ADDRESS) == few
    assert few <= 10


def test_without_usage_it_says_when_there_will_be_some() -> None:
    words = text_of(staff_client().get(ADDRESS))
    assert "The language model was not asked in these days" in words
    assert "CSV" not in words


def test_figures_are_those_of_thirty_days_and_no_others() -> None:
    use(0, calls=10, failures=2, prompt_tokens=1_000, completion_tokens=10, seconds=4.0)
    use(29, "describe", calls=5, prompt_tokens=200, completion_tokens=300, seconds=1.0)
    use(30, calls=1_000_000, prompt_tokens=9)
    labelled(0, 3)
    labelled(1, 2)
    labelled(40, 4)
    ItemLabelFactory(source="embedding", model="all-MiniLM-L6-v2")
    report = model_report.usage_report("calls")
    total = report.total
    assert (total.calls, total.failures, total.tokens, total.seconds, total.items) == (15, 2, 1_510, 5.0, 5)
    assert (total.tokens_per_s, total.tokens_per_item) == (302.0, 302.0)
    assert [(row.purpose, row.items) for row in report.rows] == [("label", 3), ("describe", None)]
    assert (len(report.days), report.days[0].calls, report.days[1].items, report.days[29].calls) == (30, 10, 2, 5)
    words = text_of(staff_client().get(ADDRESS))
    assert "Calls 15 2 failed" in words
    assert "1,200 read, 310 written" in words
    assert "302.0 tokens/s, parallel calls added up" in words


def test_an_item_labelled_twice_in_a_day_counts_once() -> None:
    item = ItemFactory()
    first = ItemLabelFactory(item=item, model="tiny")
    ItemLabel.objects.filter(pk=first.pk).update(superseded_at=timezone.now())
    ItemLabelFactory(item=item, label=first.label, model="tiny")
    use(0, calls=2)
    assert model_report.usage_report("items").total.items == 1


def test_a_server_that_reports_no_tokens_has_no_speed() -> None:
    use(0, calls=3, seconds=2.0)
    assert model_report.usage_report("").total.tokens_per_s is None
    assert "Tokens – the server reports none" in text_of(staff_client().get(ADDRESS))


def test_the_chart_shows_the_measure_asked_for_and_every_day() -> None:
    use(2, calls=7, prompt_tokens=70, completion_tokens=7, seconds=1.5)
    labelled(2, 4)
    for measure, value in {"tokens": 77, "calls": 7, "seconds": 1.5, "items": 4, "nonsense": 77}.items():
        moments, values = model_report.usage_report(measure).columns
        assert (len(moments), len(values), values[27]) == (30, 30, value)
        assert sum(values) == value
    part = staff_client().get(f"{ADDRESS}?show=calls", headers=HTMX)
    assert "7 calls in 30 days" in text_of(part)
    assert "<html" not in part.content.decode()


def test_cost_is_shown_only_where_prices_are_set(settings) -> None:
    use(0, calls=1, prompt_tokens=2_000_000, completion_tokens=500_000)
    assert "Cost" not in text_of(staff_client().get(ADDRESS))
    settings.LLM_PRICE_PER_M_PROMPT, settings.LLM_PRICE_PER_M_COMPLETION = 0.15, 0.60
    settings.LLM_PRICE_CURRENCY = "EUR"
    assert "Cost 0.6000 EUR" in text_of(staff_client().get(ADDRESS))
    settings.LLM_PRICE_PER_M_COMPLETION = None
    assert model_report.usage_report("").total.cost == pytest.approx(0.3)
    settings.LLM_PRICE_PER_M_PROMPT = 1_000.0
    assert "Cost 2,000.00 EUR" in text_of(staff_client().get(ADDRESS))


def test_the_csv_has_a_row_a_day_model_and_purpose(settings) -> None:
    use(1, calls=4, failures=1, prompt_tokens=100, completion_tokens=20, seconds=2.0)
    use(1, "describe", model='odd, "name"', calls=1)
    labelled(1, 2)
    answer = staff_client().get(f"{ADDRESS}?format=csv")
    rows = list(csv.DictReader(StringIO(answer.content.decode())))
    assert 'filename="model-usage-30-days.csv"' in answer["Content-Disposition"]
    assert [row["model"] for row in rows] == ['odd, "name"', "tiny"]
    assert {name: rows[1][name] for name in ("calls", "failures", "tokens_per_s", "items_labelled")} == {
        "calls": "4",
        "failures": "1",
        "tokens_per_s": "60.0",
        "items_labelled": "2",
    }
    assert "cost_USD" not in rows[0]
    settings.LLM_PRICE_PER_M_PROMPT = 1.0
    rows = list(csv.DictReader(StringIO(staff_client().get(f"{ADDRESS}?format=csv").content.decode())))
    assert rows[1]["cost_USD"] == "0.000100"


def test_a_download_shows_how_far_it_is_and_the_page_asks_again(home: Home, says) -> None:
    says("unreachable", "does not answer")
    fetching.write_status(home, "label_embedder", Status("downloading", done=101_000_000, total=404_000_000))
    page = staff_client().get(ADDRESS)
    assert "Embedding model for labels all-mpnet-base-v2 Downloading 25%" in text_of(page)
    assert "101 of 404 MB. Labels use all-MiniLM-L6-v2 until it is here." in text_of(page)
    assert "Language model tiny Waiting Its download begins when" in text_of(page)
    assert 'hx-trigger="every 2s"' in page.content.decode()
    part = staff_client().get(f"{ADDRESS}states/", headers=HTMX).content.decode()
    assert "--part:25.00%" in part
    assert "<html" not in part


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("ready", "tiny Ready Reads what embeddings are unsure about."),
        ("off", "tiny Off It is off."),
        ("unreachable", "tiny Unreachable It is off."),
    ],
)
def test_what_stands_still_is_not_asked_about_again(home: Home, says, state: str, words: str) -> None:
    says(state, "It is off.")
    page = staff_client().get(ADDRESS)
    assert words in text_of(page)
    assert "Not fetched Run manage.py label_embedder" in text_of(page)
    assert "every 2s" not in page.content.decode()


def test_a_failed_download_says_why(home: Home, says) -> None:
    says("unreachable")
    fetching.write_status(home, "label_embedder", Status("failed", detail="0.1 GB are free."))
    fetching.write_status(home, "language_model", Status("failed", detail="The weights were wrong."))
    words = text_of(staff_client().get(ADDRESS))
    assert "Failed 0.1 GB are free." in words
    assert "Failed The weights were wrong." in words


def test_an_embedder_of_ones_own_is_named_by_its_directory(tmp_path: Path, settings) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "modules.json").write_text("[]")
    settings.LABEL_EMBEDDER_PATH = str(tmp_path / "mine")
    assert "mine Ready" in text_of(staff_client().get(ADDRESS))
    settings.LABEL_EMBEDDER_PATH = ""
    assert "– Off Switched off" in text_of(staff_client().get(ADDRESS))
