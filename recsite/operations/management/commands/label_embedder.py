"""`manage.py label_embedder`: fetch and verify the larger embedding model that labelling uses, then end."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recsite.operations.embedded import label_embedder
from recsite.operations.embedded.downloads import DownloadError
from recsite.operations.embedded.fetching import GIVE_UP
from recsite.operations.embedded.home import EmbeddedError, Home


class Command(BaseCommand):
    help = "Fetch the larger embedding model for labels into RECSITE_HOME (`manage.py up` does so by itself)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        home = Home(settings.RECSITE_HOME)
        path = settings.LABEL_EMBEDDER_PATH
        if path != str(label_embedder.directory(home)):
            raise CommandError(
                f"LABEL_EMBEDDER_PATH is {path}, a model of your own; there is nothing to fetch."
                if path
                else "The larger embedding model is off (LABEL_EMBEDDER or RECSITE_LLM); there is nothing to fetch.",
                returncode=2,
            )
        signal.signal(signal.SIGTERM, self._stop)
        try:
            home.create()
            found = label_embedder.fetch(home, project=settings.BASE_DIR)
        except DownloadError as error:
            raise CommandError(str(error)) from error
        except EmbeddedError as error:
            raise CommandError(str(error), returncode=GIVE_UP) from error
        self.stdout.write(f"{found.name} is verified and in place: {found}")

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:
        sys.exit(0)
