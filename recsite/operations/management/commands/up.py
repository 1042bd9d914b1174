"""`manage.py up`: the whole site on this machine, with the services it needs."""

from __future__ import annotations

import logging
import sys
from typing import Any

import environ
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from recsite.operations.embedded.home import EmbeddedError, Home
from recsite.operations.embedded.launcher import Launcher, Options


class Command(BaseCommand):
    help = "Start the site with PostgreSQL, Valkey, the language model, web, workers and beat; Ctrl-C stops it all."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "`up` is for one machine; with RECSITE_PRODUCTION run the Procfile's commands.", returncode=2
            )
        logging.getLogger().setLevel(logging.WARNING)
        # Not the settings: those may hold what services.json said of an earlier run.
        env = environ.FileAwareEnv()
        wanted = Options(
            project=settings.BASE_DIR,
            port=env.str("PORT", default=""),
            database_url=env.str("DATABASE_URL", default=""),
            broker_url=env.str("BROKER_URL", default=""),
            llm_base_url=env.str("LLM_BASE_URL", default=""),
            llm_model_path=settings.LLM_MODEL_PATH,
            llm=settings.RECSITE_LLM,
            label_embedder_path=settings.LABEL_EMBEDDER_PATH,
            demo=settings.DEMO,
        )
        try:
            Launcher(Home(settings.RECSITE_HOME), wanted).run()
        except EmbeddedError as error:
            raise CommandError(str(error), returncode=2) from error
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).strip()}", returncode=2) from error
        sys.exit(0)
