"""The addresses of the embedded services: written to RECSITE_HOME/run/services.json, read by recsite.settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from recsite.operations.embedded.home import Home
from recsite.operations.embedded.processes import write_private


@dataclass(frozen=True)
class Services:
    """Named like the settings they stand in for; '' where the environment gives the address itself."""

    DATABASE_URL: str = ""
    BROKER_URL: str = ""
    LLM_BASE_URL: str = ""
    LLM_API_KEY: str = ""
    LLM_MODEL: str = ""


def path(home: Home) -> Path:
    return home.run / "services.json"


def publish(home: Home, services: Services) -> None:
    write_private(path(home), json.dumps({name: value for name, value in asdict(services).items() if value}, indent=1))


def withdraw(home: Home) -> None:
    path(home).unlink(missing_ok=True)


def adopt(services: Services) -> None:
    """Point this process, whose settings were read before the services ran, at them. Call before the first query."""
    import environ
    from celery import current_app
    from django.conf import settings
    from django.db import connections

    if services.DATABASE_URL:
        address = environ.Env.db_url_config(services.DATABASE_URL)
        for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "ENGINE"):
            connections.settings["default"][name] = address[name]
    if services.BROKER_URL:
        settings.BROKER_URL = settings.CELERY_BROKER_URL = services.BROKER_URL
        current_app.conf.broker_url = services.BROKER_URL
