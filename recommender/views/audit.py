"""The audit: all served slates, one of them with its replay, the difference of two, and their export."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recommender import slate_exports, slate_filters
from recommender import slate_replay as replays
from recommender.audit import find_slate, served
from recommender.models import Experiment, Rule, Slate, Strategy
from recommender.slate_filters import filters_from, page_of_slates
from recommender.templatetags.scores import SOURCES, source_name
from recommender.views.strategies import go
from recsite.operations import saved_views
from recsite.operations.access import staff_of, staff_page
from recsite.operations.date_range import as_dates, kept_days
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.models import Job
from recsite.operations.pages import wants_fragment

CHOICES = 300
CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


@staff_page
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    days = as_dates(kept_days(request))
    filters = filters_from({**request.GET.dict(), "from": "", "to": "", **days})
    page = page_of_slates(filters, after=request.GET.get("after", ""))
    context = {
        "filters": filters,
        "page": page,
        "others": {name: value for name, value in filters.as_query().items() if name not in slate_filters.DAYS},
        "is_continued": bool(request.GET.get("after")),
        "has_slates": bool(page.rows) or Slate.objects.exists(),
    }
    if wants_fragment(request):
        return render(request, "recommender/_audit.html", context)
    context |= {
        "strategies": Strategy.objects.published().order_by("-is_live", "name", "-version")[:CHOICES],
        "rules": Rule.objects.exclude(state=Rule.State.DRAFT).order_by("name", "-version")[:CHOICES],
        "experiments": Experiment.objects.exclude(state=Experiment.State.DRAFT).newest_first()[:CHOICES],
        **saved_views.context(request, "audit"),
    }
    return render(request, "recommender/audit.html", context)


@staff_page
@require_GET
def slate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = find_slate(public_id)
    shown = served(found)
    before = Slate.objects.filter(user_external_id=found.user_external_id, user_id=found.user_id)
    earlier = before.after_in_order(found.served_at, found.pk).newest_first() if found.user_id else before.none()
    names = [source for source in SOURCES if source in shown.sources]
    context = {
        "served": shown,
        "slate": found,
        "sources": {name: source_name(name) for name in [*names, *sorted(set(shown.sources).difference(SOURCES))]},
        "earlier": earlier.only("public_id", "served_at").first(),
    }
    return render(request, "recommender/slate.html", context)


@staff_page
@require_GET
def slate_replay(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = find_slate(public_id)
    try:
        then, now = replays.replays(found)
    except InvalidInputError as error:
        return render(request, "recommender/_replay.html", {"slate": found, "refused": error.message})
    return render(request, "recommender/_replay.html", {"slate": found, "replays": [then, now]})


@staff_page
@require_GET
def audit_diff(request: HttpRequest) -> HttpResponse:
    """Two slates by `a` and `b`, or by two of `slate`, as boxes that were ticked give them."""
    ticked = request.GET.getlist("slate")
    texts = [request.GET.get("a", "").strip(), request.GET.get("b", "").strip()]
    ids = ticked if len(ticked) == 2 else texts
    context: dict[str, object] = {"a": ids[0], "b": ids[1]}
    if len(ticked) not in (0, 2):
        context["refused"] = gettext("Tick two lists to compare them.")
    elif all(ids):
        try:
            one, other = (find_slate(UUID(text)) for text in ids)
        except (ValueError, NotFoundError):
            context["refused"] = gettext("One of these is no slate that is kept; copy the ids from the audit.")
        else:
            context |= {"one": one, "other": other, "compared": replays.compare(one, other)}
    return render(request, "recommender/audit_diff.html", context)


@staff_page
@require_POST
def audit_export(request: HttpRequest) -> HttpResponseBase:
    """A download where few slates match, a job where many do."""
    filters, format_ = filters_from(request.POST.dict()), request.POST.get("format", "")
    if format_ not in slate_exports.FORMATS:
        raise Http404("There is no such format.")
    if isinstance(problem := slate_filters.matching(filters), str):
        messages.error(request, problem)
        return redirect(f"{reverse('audit')}?{filters.query}")
    if slate_filters.is_download(filters):
        name = slate_exports.file_name(format_, timezone.localtime())
        pieces = slate_exports.lines(slate_exports.every_slate(filters), format_)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[format_], headers=headers)
    job = slate_exports.request_export(filters, format_, staff=staff_of(request))
    words = gettext("These are many lists: a job writes the file, which is then downloaded from here.")
    messages.success(request, words)
    return go(request, reverse("job", args=[job.pk]))


@staff_page
@require_GET
def audit_export_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    try:
        path = slate_exports.file_of(pk)
    except NotFoundError as error:
        if not Job.objects.filter(pk=pk, kind=slate_exports.KIND).exists():
            raise
        messages.error(request, error.message)
        return redirect("job", pk)
    kind = CONTENT_TYPES[path.suffix.removeprefix(".")]
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type=kind)
