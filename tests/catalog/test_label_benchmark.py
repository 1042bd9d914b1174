"""Labelling measured on files: nothing of the site is read, and the truth never reaches a model."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog import label_benchmark
from catalog.label_benchmark import measure, read_case
from catalog.readings import Reader
from recsite.operations.errors import InvalidInputError, UnavailableError
from tests.fakes import FakeChatModel, FakeEmbedder

ITEMS = """id,title,description
1,fresh milk,
2,rye bread,
3,bread bread bread bread bread chips chips chips bites,
4,fresh milk,
5,unlisted,
"""
TAXONOMY = "label,description\nFood > Dairy,milk cheese\nFood > Bakery,bread rolls\nFood > Snacks,chips\n"
TRUTH = "id,label\n1,Food > Dairy\n2,Food > Bakery\n3,Food > Snacks\n4,Food > Dairy\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    written = {}
    for name, text in {"items": ITEMS, "taxonomy": TAXONOMY, "truth": TRUTH}.items():
        written[name] = tmp_path / f"{name}.csv"
        written[name].write_text(text)
    return written


def case_of(files, **options):
    return read_case(files["items"], files["taxonomy"], files["truth"], **{"sample": None, "seed": 1, **options})


def test_embeddings_alone_are_counted_against_the_truth(files):
    found = measure(case_of(files), reader=Reader(FakeEmbedder()), chat_model=None, reviews=0, seed=1)
    # Milk twice and bread once are right; the bites are taken for bread.
    assert (found["n"], found["labels"], found["model"]) == (4, 3, None)
    assert found["accuracy@1"] == 0.75
    assert found["accuracy@3"] == 1.0
    assert found["accuracy@1"] == found["embeddings_only"]["accuracy@1"]


def test_the_model_is_asked_once_a_text_and_never_sees_the_truth(files):
    model = FakeChatModel(lambda prompt: {"Snacks": 1.0} if "bites" in prompt else {"Dairy": 0.5, "Bakery": 0.5})
    found = measure(case_of(files), reader=Reader(FakeEmbedder()), chat_model=model, reviews=0, seed=1)
    assert found["accuracy@1"] == 1.0
    assert found["embeddings_only"]["accuracy@1"] == 0.75
    asked = [prompt.user for prompt in model.prompts if "bites" in prompt.user]
    assert asked
    assert not any(" > " in prompt.user for prompt in model.prompts)
    assert not any("unlisted" in prompt.user for prompt in model.prompts)


def test_reviews_are_simulated_in_the_queue_s_order_and_counted_apart(files):
    found = measure(case_of(files), reader=Reader(FakeEmbedder()), chat_model=None, reviews=1, seed=1)
    # The bites settle most doubt, so they are reviewed; what is left was right without them.
    after = found["after_reviews"]
    assert (after["reviews"], after["n"], after["accuracy@1"]) == (1, 3, 1.0)
    assert found["accuracy@1"] == 0.75
    everything = measure(case_of(files), reader=Reader(FakeEmbedder()), chat_model=None, reviews=99, seed=1)
    # Twins share a text, and one decision a text is asked for: the second milk is left.
    assert (everything["after_reviews"]["reviews"], everything["after_reviews"]["n"]) == (3, 1)


def test_a_sample_is_the_same_for_the_same_seed(files):
    first, again = case_of(files, sample=2, seed=5), case_of(files, sample=2, seed=5)
    assert first.titles == again.titles
    assert len(first.titles) == 2
    assert np.array_equal(first.truth, again.truth)


def test_a_model_that_goes_away_ends_the_measurement(files):
    model = FakeChatModel(lambda prompt: {})
    model.is_away = True
    with pytest.raises(UnavailableError):
        measure(case_of(files), reader=Reader(FakeEmbedder()), chat_model=model, reviews=0, seed=1)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("truth", "id,label\n1,Garden\n", "has the label 'Garden'"),
        ("truth", "id,label\n99,Food > Dairy\n", "nothing can be measured"),
        ("items", "id,name\n1,milk\n", "no column 'title'"),
        ("taxonomy", "label\n", "has no rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(files, name, text, says):
    files[name].write_text(text)
    with pytest.raises(InvalidInputError, match=says):
        case_of(files)


def test_the_command_prints_and_writes_json(files, monkeypatch, tmp_path):
    monkeypatch.setattr("catalog.management.commands.benchmark_labels.get_embedder", FakeEmbedder)
    paths = [f"--{name}={path}" for name, path in files.items()]
    out = StringIO()
    call_command("benchmark_labels", *paths, "--backend=embeddings", f"--json={tmp_path / 'out.json'}", stdout=out)
    assert json.loads(out.getvalue())["n"] == 4
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(out.getvalue())
    with pytest.raises(CommandError, match="--backend is 'gpt'"):
        call_command("benchmark_labels", *paths, "--backend=gpt")
    with pytest.raises(CommandError, match="No language model is configured"):
        call_command("benchmark_labels", *paths)


def test_the_label_names_are_the_last_part_of_their_paths(files):
    embedder = FakeEmbedder()
    label_benchmark.measure(case_of(files), reader=Reader(embedder), chat_model=None, reviews=0, seed=1)
    assert "dairy products" in embedder.texts
    assert not any("food" in text for text in embedder.texts)
