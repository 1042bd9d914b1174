"""`manage.py recommend USER`: the list a user would get, the same that the API answers."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rest_framework.utils.encoders import JSONEncoder

from recommender import slates
from recommender.serializers.recommendations import RecommendedListSerializer
from recommender.strategies import named_strategy
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Print the next items for a user, with what each source adds to the score and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="The shop's own id of the user.")
        parser.add_argument("--n", type=int, default=12, help="List length, 1 to 100 (default 12).")
        parser.add_argument("--strategy", default="", help="Name of a strategy (default: the live one).")
        parser.add_argument("--repeats", choices=["exclude", "allow"], help="May items taken lately come again?")
        parser.add_argument("--no-record", action="store_true", help="Leave no slate behind.")
        parser.add_argument("--json", action="store_true", help="The API's answer instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = slates.recommend(
                options["user"],
                n=options["n"],
                strategy=named_strategy(options["strategy"]) if options["strategy"] else None,
                repeats=options["repeats"],
                record=not options["no_record"],
            )
        except RecsiteError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            answer = RecommendedListSerializer(made).data
            self.stdout.write(json.dumps(answer, cls=JSONEncoder, ensure_ascii=False, indent=2))
            return
        self._print_table(made)

    def _print_table(self, made: slates.RecommendedList) -> None:
        self.stdout.write(
            f"{len(made.items)} items for user {made.user_external_id}, {made.strategy}, {made.took_ms:.0f} ms"
        )
        if made.notice:
            self.stdout.write(made.notice)
        for ranked in made.items:
            self.stdout.write(f"\n{ranked.position:>3}. {ranked.item.title}  [{ranked.item.external_id}]")
            parts = "  ".join(f"{part.source} {part.contribution:+.2f}" for part in ranked.parts)
            self.stdout.write(f"     {ranked.score:+.2f} = {parts}")
            for sentence in ranked.sentences:
                self.stdout.write(f"     {sentence}")
