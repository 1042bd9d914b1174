"""`manage.py evaluate` on small files. No test here may touch the database: the marker is missing on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog import providers
from recommender import evaluation, evaluation_files
from recommender.algorithms import trees
from recommender.algorithms.fusion import TREES
from recommender.strategies import DEFAULT_WEIGHTS, Recipe
from tests.fakes import FakeChatModel, FakeEmbedder

KEYS = {
    *("n", "hr@10", "ndcg@10", "precision@10", "recall@10", "f1@10", "mrr", "coverage", "novelty", "diversity"),
    *("ci95", "baselines", "ablation", "slices", "fit_seconds", "users_per_s"),
}
START_S = 1_700_000_000
ITEMS, USERS = 24, 30


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "get_embedder", FakeEmbedder)


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture()
def files(tmp_path: Path) -> dict[str, Path]:
    """Users walk through a third of the items; their next one is the target. Item 23 is new."""
    random = np.random.default_rng(3)
    kinds = ("rye bread", "green soap", "oat milk")
    items = [f"i{place}\tBest {kinds[place % 3]} no {place}\tMill" for place in range(ITEMS)]
    train, test = [], []
    for user in range(USERS):
        start, day = int(random.integers(7)), 86_400
        own = [f"i{(3 * (start + step) + user % 3) % 21}" for step in range(7)]
        times = [START_S + (user + 4 * step) * day for step in range(7)]
        train += [f"u{user}\t{item}\t{time_s}" for item, time_s in zip(own[:5], times, strict=False)]
        target = "i23" if user == 0 else own[5]
        test.append(f"u{user}\t{' '.join(own[:5])}\t{' '.join(map(str, times[:5]))}\t{target}\t{times[5]}")
    return {
        "items": write(tmp_path / "shop.item", "item_id:token\ttitle:token_seq\tbrand:token", items),
        "train": write(tmp_path / "shop.train.inter", "user_id:token\titem_id:token\ttimestamp:float", train),
        "test": write(
            tmp_path / "shop.test.inter",
            "user_id:token\titem_id_list:token_seq\ttimestamp_list:float_seq\titem_id:token\ttimestamp:float",
            test,
        ),
    }


def run(files: dict[str, Path], tmp_path: Path, **more: Any) -> dict[str, Any]:
    out = tmp_path / "report.json"
    call_command("evaluate", **files, **more, json=out)
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def test_a_report_has_everything_and_takes_no_row_of_the_database(files: dict[str, Path], tmp_path: Path) -> None:
    report = run(files, tmp_path, baselines="pop,itemknn,ease,repeat", keep_history=True)
    assert set(report) >= KEYS
    assert report["n"] == USERS
    assert set(report["baselines"]) == {"pop", "itemknn", "ease", "repeat"}
    for figures in report["baselines"].values():
        assert set(figures) >= {"ndcg@10", "hr@10", "p_value"}
        assert 0 <= figures["p_value"] <= 1
    for metric in ("hr@10", "ndcg@10", "mrr", "precision@10", "recall@10", "f1@10"):
        low, high = report["ci95"][metric]
        assert low - 1e-9 <= report[metric] <= high + 1e-9
    assert report["slices"]["cold"]["n"] == 1
    assert set(report["slices"]["by_history"]) == {"none", "one", "few", "many"}
    assert report["ndcg@10"] > report["baselines"]["pop"]["ndcg@10"]


def test_without_train_it_learns_from_the_histories_of_the_test_file(files: dict[str, Path], tmp_path: Path) -> None:
    files.pop("train")
    report = run(files, tmp_path)
    assert report["n"] == USERS
    assert report["hr@10"] > 0


def test_trees_are_grown_where_enough_was_taken_and_a_recipe_can_do_without(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(files, tmp_path)["parameters"]["trees"] is None
    monkeypatch.setattr(trees, "LEAST_TAKEN", 5)
    monkeypatch.setitem(trees.SETTINGS, "min_samples_leaf", 2)
    report = run(files, tmp_path)
    assert trees.from_json(report["parameters"]["trees"]) is not None
    assert all(TREES in weights for weights in report["weights"].values())
    assert "trees" in report["ablation"]
    data = evaluation_files.read(evaluation_files.Files(**files), embed=FakeEmbedder().embed)
    plain = evaluation.evaluate(data, Recipe(weights={**DEFAULT_WEIGHTS, TREES: 0.0}))
    assert plain["parameters"]["trees"] is None
    assert "trees" not in plain["ablation"]


def test_with_few_lists_of_validation_earlier_moments_are_tuned_on_as_well(
    files: dict[str, Path], tmp_path: Path
) -> None:
    files.pop("train")
    lists = run(files, tmp_path)["validation"]["n"]
    assert lists > USERS
    valid = write(tmp_path / "candidates", "user_id\titem_id_list", [f"u{u}\ti1 i2 i3 i23" for u in range(USERS)])
    assert run(files, tmp_path, candidates=valid)["validation"]["n"] <= USERS


def test_without_a_list_of_validation_the_start_holds_and_no_tree_grows(files: dict[str, Path], tmp_path: Path) -> None:
    header, *rows = files["train"].read_text().splitlines()
    write(files["train"], header, rows[:1])
    report = run(files, tmp_path)
    assert report["validation"]["n"] == 0
    assert report["parameters"]["trees"] is None
    assert "trees" not in report["weights"]["few"]


def test_other_test_targets_change_no_parameter(files: dict[str, Path], tmp_path: Path) -> None:
    first = run(files, tmp_path)
    header, *rows = files["test"].read_text().splitlines()
    turned = [row.split("\t") for row in rows]
    for row in turned:
        row[3] = f"i{(int(row[3][1:]) + 8) % ITEMS}"
    write(files["test"], header, ["\t".join(row) for row in turned])
    second = run(files, tmp_path)
    assert second["parameters"] == first["parameters"]
    assert second["validation"] == first["validation"]
    assert second["ndcg@10"] != first["ndcg@10"]


BAD: dict[str, tuple[str, Callable[[str], str], str]] = {
    "no column": (
        "test",
        lambda text: text.replace("item_id_list", "items"),
        "shop.test.inter has no column 'item_id_",
    ),
    "unknown item": ("train", lambda text: text.replace("\ti3\t", "\tnothing\t"), "shop.train.inter names the item 'n"),
    "no rows": ("items", lambda text: text.splitlines()[0], "shop.item has no rows"),
    "twice": ("items", lambda text: text + text.splitlines()[1], "shop.item names an item twice"),
    "no time": (
        "train",
        lambda text: text.replace("\t17", "\tMay 17", 1),
        r"shop.train.inter has 'May 17.*' in the column 'timestamp'",
    ),
    "times missing": (
        "test",
        lambda text: text.replace(" 17", "17", 1),
        "shop.test.inter: user 'u0' has 5 items and 4",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_what_is_wrong_and_nothing_is_written(
    files: dict[str, Path], tmp_path: Path, case: str
) -> None:
    name, spoil, message = BAD[case]
    files[name].write_text(spoil(files[name].read_text()))
    with pytest.raises(CommandError, match=message):
        run(files, tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_files_and_baselines_that_do_not_exist_are_told(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no baseline 'luck'"):
        run(files, tmp_path, baselines="luck")
    with pytest.raises(CommandError, match=r"gone.item can not be read"):
        run(files | {"items": tmp_path / "gone.item"}, tmp_path)
    with pytest.raises(CommandError, match="Name --items and --test"):
        call_command("evaluate")


class Wishes(FakeChatModel):
    """Likes what ends in the highest number."""

    def __init__(self) -> None:
        super().__init__(lambda user: {"A": 1.0})


@pytest.mark.django_db()
def test_re_ranking_is_told_beside_the_lists_and_changes_none_of_them(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(files, tmp_path)
    monkeypatch.setattr(providers, "get_chat_model", Wishes)
    report = run(files, tmp_path, rerank=0.5)
    said = report["rerank"]
    assert (said["blend"], said["lists"], said["model"]) == (0.5, USERS, "fake-chat")
    assert sum(said["outcomes"].values()) == USERS
    assert said["ndcg_before"] == pytest.approx(plain["ndcg@10"], abs=1e-4)
    assert 0 <= said["ndcg_after"] <= 1
    assert report["ndcg@10"] == plain["ndcg@10"]


def test_re_ranking_without_a_model_or_by_no_share_is_refused(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "get_chat_model", lambda: None)
    with pytest.raises(CommandError, match="language model is off"):
        run(files, tmp_path, rerank=0.5)
    with pytest.raises(CommandError, match="above 0 and at most 1"):
        run(files, tmp_path, rerank=1.5)
    with pytest.raises(CommandError, match="needs --database"):
        run(files, tmp_path, fit="live")
    assert not (tmp_path / "report.json").exists()
