"""`manage.py benchmark_labels`: how right and how honest zero-shot labels are on files of your own, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog import label_benchmark
from catalog.providers import ChatModel, chat_model_at, get_chat_model, get_embedder, get_label_embedder
from catalog.readings import Reader
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Label items of a file against a taxonomy of a file and compare with the truth; reads no row of the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=Path, required=True, help="CSV: id, title, and brand, description if any.")
        parser.add_argument("--taxonomy", type=Path, required=True, help='CSV: label (a path with " > "), description.')
        parser.add_argument("--truth", type=Path, required=True, help="CSV: id, label.")
        parser.add_argument("--sample", type=int, help="Measure on so many items, chosen at random.")
        parser.add_argument("--seed", type=int, default=7, help="Of the sample and the intervals (default 7).")
        parser.add_argument(
            "--reviews", type=int, default=0, help="Also simulate so many reviews, in the order of the site's queue."
        )
        parser.add_argument(
            "--backend",
            default="embedded",
            help="embedded (all configured models), embeddings (the small embedding model alone), large-embeddings "
            "(both embedding models, no language model), or the address of a chat server.",
        )
        parser.add_argument("--json", type=Path, help="Also write the figures to this file.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["sample"] is not None and options["sample"] < 1:
            raise CommandError(f"--sample is {options['sample']}; use 1 or more.")
        if options["reviews"] < 0:
            raise CommandError(f"--reviews is {options['reviews']}; use 0 or more.")
        try:
            case = label_benchmark.read_case(
                options["items"], options["taxonomy"], options["truth"], sample=options["sample"], seed=options["seed"]
            )
            large = None if options["backend"] == "embeddings" else get_label_embedder()
            if large is None and options["backend"] == "large-embeddings":
                raise CommandError("The larger embedding model is not here; run `make run` until it is fetched.")
            found = label_benchmark.measure(
                case,
                reader=Reader(get_embedder(), large),
                chat_model=_chat_model(options["backend"]),
                reviews=options["reviews"],
                seed=options["seed"],
            )
        except RecsiteError as error:
            raise CommandError(error.message) from error
        text = json.dumps(found, indent=2)
        if options["json"]:
            options["json"].write_text(text + "\n", encoding="utf-8")
        self.stdout.write(text)


def _chat_model(backend: str) -> ChatModel | None:
    if backend in {"embeddings", "large-embeddings"}:
        return None
    if backend == "embedded":
        model = get_chat_model()
        if model is None:
            raise CommandError("No language model is configured; start `make run`, or use --backend embeddings.")
        return model
    if not backend.startswith(("http://", "https://")):
        raise CommandError(
            f"--backend is {backend!r}; use embedded, embeddings, large-embeddings, or an address like http://host/v1."
        )
    return chat_model_at(backend)
