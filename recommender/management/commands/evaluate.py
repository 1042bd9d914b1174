"""manage.py evaluate: how good the lists are, on RecBole files or on the site's own events, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender import evaluation, evaluation_database, evaluation_files, evaluations
from recommender.algorithms.baselines import NAMES
from recommender.evaluation_reranking import Asking
from recommender.models import Strategy
from recommender.strategies import Recipe, live_strategy, named_strategy, recipe_of
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Judges the lists of a strategy by what was taken next: HR, NDCG, precision, recall, F1, with baselines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=Path, help="RecBole .item file: item_id, title, brand, description.")
        parser.add_argument("--test", type=Path, help=".inter file of histories: user_id, item_id_list, item_id.")
        parser.add_argument("--train", type=Path, help=".inter file of events before: user_id, item_id, timestamp.")
        parser.add_argument(
            "--valid", type=Path, help="Histories to tune on; by default the last steps of what is learned."
        )
        parser.add_argument("--train-for-valid", type=Path, help="Events before those histories.")
        parser.add_argument("--candidates", type=Path, help="user_id, item_id_list: rank only these.")
        parser.add_argument("--keep-history", action="store_true", help="Items of the history may come again.")
        parser.add_argument("--strategy", help="Name of a strategy in the database; by default the default recipe.")
        parser.add_argument("--baselines", default="", help=f"Comma-separated: {','.join(NAMES)}.")
        parser.add_argument(
            "--cold", action="store_true", help="Only items nobody has taken before, ranked among themselves."
        )
        parser.add_argument("--database", action="store_true", help="Judge by the site's own events instead of files.")
        parser.add_argument("--split-at", help="With --database: a date, by default 28 days before the newest event.")
        parser.add_argument("--users", type=int, default=1_000, help="With --database: at most so many users.")
        parser.add_argument(
            "--fit",
            choices=("anew", "live"),
            default="anew",
            help="With --database: fit weights on what came before the date, or judge those in use now.",
        )
        parser.add_argument(
            "--rerank",
            type=float,
            metavar="BLEND",
            help="Also say what re-ranking by the language model would do, 0..1.",
        )
        parser.add_argument("--json", type=Path, help="Write the report here instead of to the screen.")

    def handle(self, *args: Any, **options: Any) -> None:
        names = [name for name in options["baselines"].split(",") if name]
        if unknown := [name for name in names if name not in NAMES]:
            raise CommandError(f"There is no baseline {unknown[0]!r}; there are {', '.join(NAMES)}.")
        try:
            recipe = recipe_of(named_strategy(options["strategy"])) if options["strategy"] else Recipe()
            recipe = replace(recipe, repeats="allow" if options["keep_history"] else recipe.repeats)
            if options["fit"] == "live" and not options["database"]:
                raise CommandError("--fit live needs --database: files have no weights in use.")
            report = (
                self._of_database(names, options) if options["database"] else self._of_files(recipe, names, options)
            )
        except RecsiteError as error:
            raise CommandError(str(error)) from error
        text = json.dumps(report, indent=2)
        if options["json"]:
            options["json"].write_text(text + "\n", encoding="utf-8")
            self.stdout.write(f"Report in {options['json']}: NDCG@10 {report['ndcg@10']}, HR@10 {report['hr@10']}.")
        else:
            self.stdout.write(text)

    def _of_database(self, baselines: list[str], options: dict[str, Any]) -> dict[str, Any]:
        split_at = evaluations.default_split()
        if options["split_at"]:
            try:
                split_at = datetime.fromisoformat(options["split_at"])
            except ValueError as error:
                raise CommandError(f"--split-at {options['split_at']!r} is no date like 2026-10-01.") from error
            split_at = split_at if split_at.tzinfo else split_at.replace(tzinfo=UTC)
        if split_at is None:
            raise CommandError("There are no events; import some, or name --items and --test.")
        strategy = named_strategy(options["strategy"]) if options["strategy"] else None
        if strategy is None and options["fit"] == "live":
            strategy = live_strategy()
        return evaluation_database.evaluate_database(
            strategy or Strategy(),  # the default recipe, whatever is live
            split_at=split_at,
            max_users=options["users"],
            baselines=baselines,
            on_progress=self._progress,
            fit=options["fit"],
            repeats="allow" if options["keep_history"] else None,
            only_cold=options["cold"],
            ask=self._asking(options),
        )

    def _asking(self, options: dict[str, Any]) -> Asking | None:
        blend: float | None = options["rerank"]
        if blend is None:
            return None
        if not 0 < blend <= 1:
            raise CommandError(f"--rerank is {blend}; it must be above 0 and at most 1.")
        from catalog.providers import get_chat_model

        model = get_chat_model()
        if model is None:
            raise CommandError("The language model is off, so there is nothing to re-rank by; see docs/models.md.")
        return Asking(model, blend)

    def _progress(self, done: int, total: int, words: str) -> None:
        self.stderr.write(f"{done}/{total} {words}")

    def _of_files(self, recipe: Recipe, baselines: list[str], options: dict[str, Any]) -> dict[str, Any]:
        if not options["items"] or not options["test"]:
            raise CommandError("Name --items and --test.")
        from catalog.providers import get_embedder

        files = evaluation_files.Files(
            options["items"],
            options["test"],
            options["train"],
            options["valid"],
            options["train_for_valid"],
            options["candidates"],
        )
        data = evaluation_files.read(files, embed=get_embedder().embed)
        return evaluation.evaluate(
            data,
            recipe,
            baselines=baselines,
            on_progress=self._progress,
            only_cold=options["cold"],
            ask=self._asking(options),
        )
