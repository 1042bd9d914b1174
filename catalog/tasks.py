"""Catalog tasks."""

from __future__ import annotations

from celery import shared_task

from catalog import embedding


@shared_task
def embed_items(item_ids: list[int]) -> int:
    return embedding.embed_items(item_ids)


@shared_task
def label_waiting_items() -> None:
    return None
