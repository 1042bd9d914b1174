"""What is stored in English, with values in it, is known to be, and is shown in the language of whoever reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from recommender import golden
from recsite.operations import jobs, stored_words
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import Job
from tests.factories import GoldenExpectationFactory, StrategyFactory
from tests.operations.test_translations import PACKAGES, marked
from tests.pages import staff_client, text_of

# Where what is stored is said: the place of the words among the arguments of a call.
CALLS = {"create": 1, "_begin": 1, "_rebuild_all": 0, "_request": 1, "request_rebuild_of_all": 0, "report": 2}
CALLS |= {"on_progress": 2, "_on_progress": 2, "on_case": 0, "say": 0, "UnreadableRow": 0, "Rejection": 3}
NAMED = {"title", "message", "reason"}
# Functions whose answer is stored, or a part of what is.
ANSWERING = {"_words", "_told", "_reason", "next_state", "words"}
# Printed by commands, kept for logs, told to clients of the API, or read at once by whoever asked.
NOT_STORED = (
    *("management", "embedded", "providers", "algorithms", "feeds", "item_rows", "catalog/items", "event", "api"),
    *("serializers", "insights", "preparation", "raw_sales", "recbole", "benchmark", "authentication", "errors"),
    *("views", "reranking", "asking", "evaluation_", "slate", "why_not", "health", "made_load", "strategy_"),
)


def samples(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may be, with Ab1 for each value; gettext and calls are none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "Ab1" for part in node.values]
        yield "".join(str(part) for part in parts)
    elif isinstance(node, ast.Subscript):
        yield from samples(node.value)
    elif isinstance(node, ast.IfExp):
        yield from (*samples(node.body), *samples(node.orelse))
    elif isinstance(node, ast.Tuple):
        yield from (text for each in node.elts for text in samples(each))


def said_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            place = CALLS.get(name)
            if place is not None and len(node.args) > place:
                yield from samples(node.args[place])
            if name in {"done", "relabel", "start", "advance", "describe"}:
                yield from (text for one in node.keywords if one.arg in NAMED for text in samples(one.value))
        elif isinstance(node, ast.FunctionDef) and node.name in ANSWERING:
            answers = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
            yield from (text for answer in answers for text in samples(answer))
        elif isinstance(node, ast.Assign) and _name_of(node.targets[0]) in NAMED:
            yield from samples(node.value)


def _name_of(target: ast.expr) -> str:
    return str(getattr(target, "id", getattr(target, "attr", "")))


def stored_by_code() -> dict[str, str]:
    root, found = Path(settings.BASE_DIR), {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            where = str(path.relative_to(root))
            if not any(part in where for part in NOT_STORED):
                found |= dict.fromkeys(said_in(path.read_text("utf-8")), where)
    return found


def test_whatever_is_stored_is_a_sentence_that_can_be_shown_in_another_language() -> None:
    messages, found = marked(), stored_by_code()
    of_each_way = {"Describing labels", "Label anew: Ab1 was split", "Went live: Ab1"}
    assert of_each_way <= set(found)
    unknown = {text: where for text, where in found.items() if text not in messages and not known(text)}
    assert unknown == {}, "register these in stored_words.py of their app"


def known(text: str) -> bool:
    return stored_words.sentence_of(text) is not None


def test_no_sentence_is_registered_that_nothing_says() -> None:
    """Where the words of an error or a finding change, what is registered has to follow."""
    texts = texts_in_code()
    said = {found[0] for text in texts if (found := stored_words.sentence_of(text))}
    assert [each for each in stored_words.registered() if each not in texts and each not in said] == []


def texts_in_code() -> set[str]:
    """Every text and every text with values, elsewhere than where they are registered."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (Path(settings.BASE_DIR) / package).rglob("*.py"):
            if path.name not in {"stored_words.py", "job_words.py"}:
                found.update(text for node in ast.walk(ast.parse(path.read_text("utf-8"))) for text in samples(node))
    return found


@pytest.mark.parametrize(
    ("text", "sentence", "values"),
    [
        ("Label anew: Food > Tea was moved", "Label anew: %(label)s was moved", {"label": "Food > Tea"}),
        ("1,204 items wait for the models worker", "%(n)s items wait for the models worker", {"n": "1,204"}),
        (
            "9 of 10 audits were right (95% interval 60.0% to 98.0%)",
            "%(right)s of %(n)s audits were right (95%% interval %(low)s to %(high)s)",
            {"right": "9", "n": "10", "low": "60.0%", "high": "98.0%"},
        ),
        (
            "Label Food anew with version 2 anew with version 3",
            "Label %(taxonomy)s anew with version %(version)s",
            {"taxonomy": "Food", "version": "2 anew with version 3"},
        ),
        ("No label of Food has the id 'a\n1'; import the file it came from first.", "", {}),
    ],
)
def test_the_sentence_and_its_values_are_found_again(text: str, sentence: str, values: dict[str, str]) -> None:
    found = stored_words.sentence_of(text)
    if not sentence:
        assert found is not None and found[1]["id"] == "'a\n1'"
    else:
        assert found == (sentence, values)


def test_what_is_no_registered_sentence_is_shown_as_it_is() -> None:
    for text in ("", "ValueError: x", "Importing of Food", "50% of %(n)s"):
        assert stored_words.shown(text) == text


def test_sentences_are_shown_in_the_readers_language_with_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    chinese = {"Went live: %(words)s": "已上线：%(words)s", "%(taxonomy)r is no slug": "%(taxonomy)r 无效"}
    chinese["%(new)s against %(live)s right on %(n)s decisions that neither had seen."] = (
        "在 %(n)s 个决定上 %(new)s 对 %(live)s。"
    )
    monkeypatch.setattr(stored_words, "_sentences", dict(stored_words._sentences))
    stored_words.register(chinese)
    monkeypatch.setattr(stored_words, "gettext", lambda text: chinese.get(text, text))
    said = stored_words.shown("Went live: 91% against 88% right on 120 decisions that neither had seen.")
    assert said == "已上线：在 120 个决定上 91% 对 88%。"
    assert stored_words.shown("'a b' is no slug") == "'a b' 无效"


@pytest.mark.django_db
def test_a_job_keeps_what_it_says_in_english_whatever_language_is_active() -> None:
    job = jobs.create("learn_labels", "Import Food.csv")
    with translation.override("zh-hans"), jobs.running(job.pk):
        assert translation.get_language() == "en"
        raise InvalidInputError(translation.gettext("Choose a file."))
    job.refresh_from_db()
    assert (job.status, job.error) == (Job.Status.FAILED, "Choose a file.")
    page = text_of(staff_client().get(f"/operations/jobs/{job.pk}/"))
    assert "Import Food.csv" in page and "Choose a file." in page


@pytest.mark.django_db
def test_what_was_found_of_a_golden_user_is_kept_in_english() -> None:
    StrategyFactory(is_live=True)
    expectation = GoldenExpectationFactory(user_external_id="nobody", kind="brands", least=1, n=5)
    with translation.override("zh-hans"):
        golden.check_and_note([expectation])
        assert translation.get_language() == "zh-hans"
    expectation.refresh_from_db()
    assert expectation.finding == "0 brands."
