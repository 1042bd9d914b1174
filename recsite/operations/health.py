"""`/health/live/`: this process answers. `/health/ready/`: it can serve, with a verdict on each thing it needs."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException

import structlog
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError as BrokerError

from recsite.operations.embedded import label_embedder, language_model
from recsite.operations.embedded.home import Home

log = structlog.get_logger(__name__)

LLM_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Check:
    """`detail` is for anybody to read: no addresses, no account names; those go to the log."""

    ok: bool
    detail: str = ""


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where database, migrations and broker are well, else 503. The models are reported, never decisive."""
    checks = {"database": _checked(database), "migrations": _checked(migrations), "broker": _checked(broker)}
    is_ready = all(check.ok for check in checks.values())
    body = {
        "status": "ok" if is_ready else "unavailable",
        "checks": {name: asdict(check) for name, check in checks.items()},
        "language_model": asdict(llm()),
        "label_embedder": asdict(larger_embedder()),
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def _checked(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (DatabaseError, BrokerError, OSError) as error:
        log.warning("health_check_failed", check=check.__name__, error=str(error).strip())
        return Check(ok=False, detail=f"unreachable ({type(error).__name__})")


def database() -> Check:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Check(ok=True)


def migrations() -> Check:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        return Check(ok=False, detail=f"{len(waiting)} migrations are not applied; run manage.py migrate")
    return Check(ok=True)


def broker() -> Check:
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=3)
    return Check(ok=True)


def llm() -> Check:
    if settings.RECSITE_LLM == "off":
        return Check(ok=False, detail="off: labels come from embeddings alone")
    if not settings.LLM_BASE_URL:
        return Check(ok=False, detail="not configured: set LLM_BASE_URL")
    request = urllib.request.Request(  # noqa: S310  (an address from our own settings)
        settings.LLM_BASE_URL.rstrip("/") + "/models", headers={"Authorization": f"Bearer {settings.LLM_API_KEY}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=LLM_TIMEOUT_S):  # noqa: S310
            return Check(ok=True, detail=settings.LLM_MODEL)
    except (OSError, HTTPException, ValueError):
        status = language_model.read_status(Home(settings.RECSITE_HOME))
        return Check(ok=False, detail=status.state if status is not None else "unreachable")


def larger_embedder() -> Check:
    """Whether labelling has its larger embedding model; without it the smaller one stands in."""
    status = label_embedder.status(Home(settings.RECSITE_HOME), settings.LABEL_EMBEDDER_PATH)
    return Check(ok=status.state == "ready", detail=status.detail if status.state == "ready" else status.state)
