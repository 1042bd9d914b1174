"""Pages about the machinery: jobs with their progress, and the tray that shows the active ones everywhere."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import jobs, saved_views
from recsite.operations.access import needs, staff_page
from recsite.operations.errors import ConflictError
from recsite.operations.models import Job
from recsite.operations.pages import page_of, toast, wants_fragment
from recsite.operations.stored_words import shown

JOBS_PER_PAGE = 25
SENTENCES = ("said", "reason")  # details that are sentences, as `stored_words` shows them


@staff_page
@require_GET
def job_list(request: HttpRequest) -> HttpResponse:
    """`status`, `kind`, `who` and `q` narrow the list; each is in the address."""
    asked = {name: request.GET.get(name, "").replace("\x00", "")[:200] for name in ("status", "kind", "who", "q")}
    rows = Job.objects.matching(**asked).newest_first().with_model_use()
    page = page_of(
        rows.select_related("started_by").defer("parameters", "details"),
        request.GET.get("page"),
        per_page=JOBS_PER_PAGE,
    )
    context = {
        "page": page,
        "asked": asked,
        "is_narrowed": any(asked.values()),
        "chosen_status": asked["status"],
        "statuses": Job.Status.choices,
        "uses": {job.pk: _use(job) for job in page.object_list},
        "is_active": any(job.is_active for job in page.object_list),
    }
    if wants_fragment(request):
        return render(request, "operations/_jobs.html", context)
    context |= {"kinds": _kinds(), "people": _people(), **saved_views.context(request, "jobs")}
    return render(request, "operations/jobs.html", context)


def _kinds() -> list[str]:
    """Those that there are jobs of, and those that may come."""
    stored = Job.objects.order_by("kind").values_list("kind", flat=True).distinct()
    return sorted({*stored, *jobs.TASKS})


def _people() -> list[str]:
    found = User.objects.filter(pk__in=Job.objects.exclude(started_by=None).values("started_by"))
    return list(found.order_by("username").values_list("username", flat=True)[:200])


def _use(job: Job) -> str:
    """What the job used of the language model, in words; '' where it used none or nobody knows."""
    stored = getattr(job, "model_use", None)
    use = json.loads(stored) if stored else {}
    if not use:
        return ""
    tokens = int(use.get("prompt_tokens", 0) + use.get("completion_tokens", 0))
    calls = int(use.get("calls", 0))
    words = ngettext("%(n)s call, %(tokens)s tokens", "%(n)s calls, %(tokens)s tokens", calls)
    said = words % {"n": f"{calls:,}", "tokens": f"{tokens:,}"}
    return f"{said}, {use['cost']:.2f} {settings.LLM_PRICE_CURRENCY}" if "cost" in use else said


@staff_page
@require_GET
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job.objects.select_related("started_by"), pk=pk)
    if wants_fragment(request) and request.GET.get("banner"):
        return render(request, "operations/_banner_alone.html", {"job": job})
    context = {"job": job, **_details_of(job)}
    return render(request, "operations/_job.html" if wants_fragment(request) else "operations/job.html", context)


def _details_of(job: Job) -> dict[str, object]:
    """The job's details by how they read best: facts, a table of rejected rows, other tables, and the `address` of the
    page where one sees what came of it.

    As pairs, because a job may well count its "items", and a template would take that key for the method of a dict.
    """
    details = dict(job.details)
    rejected = [row for row in details.pop("rejected_rows", []) if isinstance(row, dict)]
    address = str(details.pop("address", ""))
    tables = {name: rows for name, rows in details.items() if _is_table(rows)}
    facts: list[tuple[str, str]] = []
    for name, value in [*details.items(), *job.parameters.items()]:
        if name.startswith("_"):  # what the task works on, too long for people
            continue
        if isinstance(value, dict):
            facts += [(f"{name}, {part}", _written(of_part)) for part, of_part in value.items()]
        elif name not in tables:
            facts.append((name, shown(value) if name in SENTENCES else _written(value)))
    return {
        "facts": facts,
        "tables": [_table(name, rows) for name, rows in tables.items()],
        "rejected_rows": rejected,
        "address": address,
    }


def _written(value: object) -> str:
    """Numbers with separators, in every language the same; lists without their brackets."""
    if isinstance(value, list):
        return "; ".join(str(entry) for entry in value)
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _is_table(value: object) -> bool:
    """Rows that have the same columns."""
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        return False
    return all(row.keys() == value[0].keys() for row in value)


def _table(name: str, rows: list[dict[str, object]]) -> dict[str, object]:
    """Columns of words before columns of numbers, and alphabetical: the database does not keep their order."""
    columns = sorted(rows[0], key=lambda column: (not isinstance(rows[0][column], str), column))
    cells = [[(_written(row[column]), not isinstance(row[column], str)) for column in columns] for row in rows]
    heads = [(column, is_number) for column, (_, is_number) in zip(columns, cells[0], strict=True)]
    return {"name": name, "heads": heads, "rows": cells}


@staff_page
@needs("operations.change_job")
@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    try:
        jobs.cancel(job)
    except ConflictError as error:
        return _answer(request, job, error.message, kind="danger")
    return _answer(request, job, gettext("Cancelled. What was already written stays."))


@staff_page
@needs("operations.change_job")
@require_POST
def job_retry(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    try:
        jobs.run_again(job)
    except ConflictError as error:
        return _answer(request, job, error.message, kind="danger")
    return _answer(request, job, gettext("Queued again."))


def _answer(request: HttpRequest, job: Job, message: str, *, kind: str = "success") -> HttpResponse:
    """To htmx a toast and a bell that makes lists of jobs reload; to a plain form the job's page."""
    if wants_fragment(request):
        return toast(HttpResponse(status=204), message, kind=kind, events={"jobs": True})
    return redirect("job", pk=job.pk)


@staff_page
@require_GET
def job_tray(request: HttpRequest) -> HttpResponse:
    """The active jobs for the top bar. It asks again only while there are any."""
    return render(request, "frame/_job_tray.html", {"active_jobs": list(Job.objects.active().newest_first()[:5])})
