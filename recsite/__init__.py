"""Wiring: settings, URLs, the Celery application, WSGI."""

from __future__ import annotations

from recsite.celery import app as celery_app

__all__ = ["celery_app"]
