"""Catalog pages: the grid of items with search and facets, one item, and decisions about its labels."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from catalog import browsing, items, labelling, review
from catalog.models import Item, ItemLabel, Label, LabelRequest
from recsite.operations import saved_views
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, page_of, toast, wants_fragment

ITEMS_PER_PAGE = 48
SIMILAR_ITEMS = 12
LABEL_OPTIONS = 30


@staff_page
@require_GET
def catalog(request: HttpRequest) -> HttpResponse:
    browse = browsing.loosened(browsing.parse(request.GET))
    found = browsing.matches(browse)
    items_shown = found if found is not None else browsing.items_for(browse).for_tiles()
    page = page_of(items_shown, request.GET.get("page"), per_page=ITEMS_PER_PAGE)
    facets = browsing.facets_for(browse, found)
    context = {
        "browse": browse,
        "page": page,
        "facets": facets,
        "chips": browsing.chips_for(browse, facets),
        "sorts": browsing.SORTS,
        "is_empty_catalog": not page.object_list and not browse.is_narrowed and not Item.objects.exists(),
    }
    if wants_fragment(request):
        return render(request, "catalog/_browse.html", context)
    return render(request, "catalog/catalog.html", {**context, **saved_views.context(request, "catalog")})


@staff_page
@require_GET
def item(request: HttpRequest, external_id: str) -> HttpResponse:
    found = get_object_or_404(Item.objects.select_related("embedding").for_tiles(), external_id=external_id)
    return render(request, "catalog/item.html", {"item": found, **_labels_of(found)})


def _labels_of(item: Item) -> dict[str, object]:
    """Current item labels by taxonomy, what is still waiting, and suggestions that newer ones replaced."""
    groups: dict[str, list[ItemLabel]] = defaultdict(list)
    replaced: list[ItemLabel] = []
    for item_label in ItemLabel.objects.filter(item=item).with_names():
        if item_label.superseded_at is None:
            groups[item_label.taxonomy.name].append(item_label)
        else:
            replaced.append(item_label)
    waiting = LabelRequest.objects.filter(item=item).exclude(status=LabelRequest.Status.DONE)
    return {
        "label_groups": dict(groups),
        "replaced_labels": replaced[:20],
        "label_requests": list(waiting.select_related("taxonomy").order_by("taxonomy__position", "id")),
        "model_status": labelling.model_status(),
    }


@staff_page
@require_GET
def item_similar(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Item, pk=pk)
    similar = Item.objects.for_tiles().beside(found, SIMILAR_ITEMS)
    for other in similar:
        other.likeness_words = f"{1.0 - other.distance:.2f}"  # type: ignore[attr-defined]
    return render(request, "catalog/_similar.html", {"item": found, "similar": similar})


@staff_page
@needs("catalog.change_item")
@require_POST
def item_visibility(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide an item from every list, or show it again; answers with the part of the page that asked."""
    found = get_object_or_404(Item.objects.for_tiles(), pk=pk)
    is_hidden = request.POST.get("is_hidden") == "true"
    items.set_hidden([pk], hidden=is_hidden)
    found.is_hidden = is_hidden
    if not wants_fragment(request):
        return redirect("item", external_id=found.external_id)
    is_head = request.POST.get("part") == "head"
    message = gettext("Hidden: it is in no list from now on.") if is_hidden else gettext("Shown again.")
    undo = Undo(
        url=reverse("item-visibility", args=[pk]),
        target=f"#item-head-{pk}" if is_head else f"#item-{pk}",
        values={"is_hidden": "false" if is_hidden else "true", "part": "head" if is_head else ""},
    )
    response = render(request, "catalog/_item_head.html" if is_head else "catalog/_tile.html", {"item": found})
    return toast(response, message, undo=undo)


@staff_page
@needs("catalog.change_itemlabel")
@require_POST
def item_label_decision(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept, reject, correct or take back; answers with the item's labels as they are now."""
    item_label = get_object_or_404(ItemLabel.objects.select_related("item", "taxonomy"), pk=pk)
    decision, message, kind = request.POST.get("decision", ""), "", "success"
    try:
        if decision == "accept":
            review.accept([pk], reviewer=staff_of(request))
            message = gettext("Accepted.")
        elif decision == "reject":
            review.reject([pk], reviewer=staff_of(request))
            message = gettext("Rejected.")
        elif decision == "correct":
            typed = request.POST.get("label", "").replace("\x00", "").strip()
            asked = Q(path__iexact=typed) | Q(name__iexact=typed) | Q(names__name__iexact=typed)
            usable = Label.objects.assignable().with_every_name().filter(asked, taxonomy=item_label.taxonomy)
            found = list(usable.distinct().order_by("pk")[:2])
            if len(found) != 1:  # what was typed stays in the open dialog
                words = {"typed": typed, "taxonomy": item_label.taxonomy.name}
                message = gettext("%(taxonomy)s has no label “%(typed)s”; choose one of the list.") % words
                return toast(HttpResponse(status=204), message, kind="danger")
            review.correct(pk, found[0].pk, reviewer=staff_of(request))
            message = gettext("Corrected to %(label)s.") % {"label": found[0].shown_name()}
        elif decision == "undo":
            review.undo(pk, reviewer=staff_of(request))
            message = gettext("Decision taken back.")
        else:
            message, kind = gettext("Choose accept, reject, correct or undo."), "danger"
    except RecsiteError as error:
        message, kind = error.message, "danger"
    context = {"item": item_label.item, **_labels_of(item_label.item)}
    return toast(render(request, "catalog/_labels.html", context), message, kind=kind)


@staff_page
@require_GET
def label_options(request: HttpRequest, pk: int) -> HttpResponse:
    """Labels of a taxonomy that an item may get, for a field that takes one's path, as it is typed."""
    q = request.GET.get("label", "").replace("\x00", "").strip()[:200]
    labels = Label.objects.select_related("taxonomy").with_every_name()
    if q:
        found = labels.found(q, taxonomy_id=pk, only_assignable=True, limit=LABEL_OPTIONS)
        options = labels.in_order(found)
    else:
        options = list(labels.assignable().filter(taxonomy_id=pk).order_by("position", "id")[:LABEL_OPTIONS])
    return render(request, "catalog/_label_options.html", {"labels": options, "q": q})
