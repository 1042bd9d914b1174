"""The history of review: every act of every reviewer, to filter, to restore, and to take back by the batch."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RangeDateFilter
from unfold.decorators import display

from catalog import review, review_bulk
from catalog.models import DecisionRecord, ItemLabel, Label
from catalog.taxonomies import SEPARATOR
from recsite.operations.access import staff_of
from recsite.operations.errors import RecsiteError
from recsite.operations.model_admin import ReadOnlyAdmin, chip, titled, when
from recsite.operations.stored_words import shown

ACT_CHIPS = {"accept": "good", "correct": "good", "reject": "rejected", "undo": "quiet"}


class AddressFilter(admin.SimpleListFilter):
    """A filter that other pages link to by its address and that offers nothing to choose but its end."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(str(self.parameter_name), "")
        return [(chosen, self.words_for(chosen))] if chosen else []

    def words_for(self, chosen: str) -> str:
        return chosen


class BatchFilter(AddressFilter):
    title = gettext_lazy("batch")
    parameter_name = "batch"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        batch = _uuid(str(self.value()))
        return queryset.filter(batch=batch) if batch else queryset.none()


class ItemLabelFilter(AddressFilter):
    title = gettext_lazy("suggestion")
    parameter_name = "item_label"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = str(self.value() or "")
        if not key:
            return queryset
        return queryset.filter(item_label=int(key)) if key.isascii() and key.isdigit() else queryset.none()


class LabelFilter(AddressFilter):
    """A label with all below it: suggested or decided."""

    title = gettext_lazy("label")
    parameter_name = "label"

    def words_for(self, chosen: str) -> str:
        found = Label.objects.filter(pk=int(chosen)).first() if chosen.isascii() and chosen.isdigit() else None
        return found.path if found else chosen

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = str(self.value() or "")
        if not key:
            return queryset
        found = Label.objects.filter(pk=int(key)).first() if key.isascii() and key.isdigit() else None
        if found is None:
            return queryset.none()
        within = Label.objects.filter(taxonomy=found.taxonomy_id).below(found.path).values("pk")
        return queryset.filter(Q(label__in=within) | Q(item_label__label__in=within))


class DayFilter(RangeDateFilter):
    """From one day to another, both whole, as days are where the server is."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (_day(self.used_parameters.get(f"at_{end}")) for end in ("from", "to"))
        if first is not None:
            queryset = queryset.filter(at__gte=first)
        return queryset if last is None else queryset.filter(at__lt=last + timedelta(days=1))


class ReviewerFilter(admin.SimpleListFilter):
    title = gettext_lazy("reviewer")
    parameter_name = "reviewer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        staff = User.objects.filter(is_staff=True).order_by("username").values_list("pk", "username")[:200]
        return [*((str(pk), name) for pk, name in staff), ("automatic", gettext("Automatic"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case None | "":
                return queryset
            case "automatic":
                return queryset.filter(is_automatic=True)
            case key:
                return queryset.filter(reviewer=int(key)) if key.isascii() and key.isdigit() else queryset.none()


@admin.register(DecisionRecord)
class DecisionRecordAdmin(ReadOnlyAdmin):
    list_display = ("shown_item", "shown_act", "shown_label", "shown_reviewer", "shown_at", "buttons")
    list_display_links = None
    list_filter = (
        ReviewerFilter,
        ("act", ChoicesCheckboxFilter),
        ("at", DayFilter),
        LabelFilter,
        ItemLabelFilter,
        BatchFilter,
    )
    list_select_related = ("item_label__item", "item_label__label", "item_label__taxonomy", "label", "reviewer")
    search_fields = ("item_label__item__title", "item_label__label__path", "=item_label__item__external_id")
    search_help_text = gettext_lazy("Words of an item or a label")
    ordering = ("-at", "-id")
    list_before_template = "admin/catalog/itemlabel/_history_head.html"
    list_after_template = "admin/catalog/itemlabel/decide_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DecisionRecord]:
        newest = DecisionRecord.objects.filter(item_label=OuterRef("item_label")).order_by("-id").values("pk")[:1]
        records = DecisionRecord.objects.annotate(newest=Subquery(newest))
        return records.prefetch_related("label__names", "item_label__label__names").defer(
            "item_label__item__search_vector"
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees item labels sees who decided them."""
        return bool(
            request.user.has_perm("catalog.view_itemlabel") or request.user.has_perm("catalog.change_itemlabel")
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def may_decide(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_itemlabel")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shown = list(super().get_list_display(request))
        return shown if self.may_decide(request) else [name for name in shown if name != "buttons"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A row's button posts `restore`, like "17:accepted"; the head's posts `undo_batch`."""
        if request.method == "POST" and ("restore" in request.POST or "undo_batch" in request.POST):
            if not self.may_decide(request):
                raise PermissionDenied
            if "restore" in request.POST:
                self._restore(request)
            else:
                self._undo_batch(request)
            return HttpResponseRedirect(request.get_full_path())
        batch = _uuid(request.GET.get("batch", ""))
        context = {
            "title": gettext("History of decisions"),
            "tab": "history",
            "batch": batch if batch and self.may_decide(request) else None,
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def _restore(self, request: HttpRequest) -> None:
        key, _, seen = request.POST["restore"].partition(":")
        if not (key.isascii() and key.isdigit() and len(key) <= 18):
            return
        try:
            review.restore(int(key), reviewer=staff_of(request), expected_decision=seen)
        except RecsiteError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, gettext("Restored, as a decision of yours."), messages.SUCCESS)

    def _undo_batch(self, request: HttpRequest) -> None:
        batch = _uuid(request.POST["undo_batch"])
        if batch is None:
            return
        try:
            outcome = review_bulk.undo_at_once(batch, reviewer=staff_of(request))
        except RecsiteError as error:
            self.message_user(request, error.message, messages.ERROR)
            return
        if outcome.job is not None:
            address = reverse("job", args=[outcome.job.pk])
            words = format_html(
                '{} <a class="rs-link" href="{}">{}</a>', shown(outcome.job.title), address, gettext("See its progress")
            )
        else:
            words = format_html("{}", gettext("%(n)s taken back.") % {"n": f"{outcome.done:,}"})
        self.message_user(request, words, messages.SUCCESS)

    @display(description=gettext_lazy("Item"))
    def shown_item(self, record: DecisionRecord) -> SafeString:
        item = record.item_label.item
        focus = reverse("admin:catalog_itemlabel_focus") + f"?row={record.item_label_id}"
        tile = titled(item.title, item.brand or item.external_id, image_url=item.image_url)
        return format_html('<a href="{}">{}</a>', focus, tile)

    @display(description=gettext_lazy("Act"), ordering="act")
    def shown_act(self, record: DecisionRecord) -> SafeString:
        return chip(record.get_act_display(), ACT_CHIPS[record.act])

    @display(description=gettext_lazy("Label"))
    def shown_label(self, record: DecisionRecord) -> SafeString:
        suggested = record.item_label.label
        label = record.label or suggested
        above = label.path.rpartition(SEPARATOR)[0] or record.item_label.taxonomy.name
        second = (
            gettext("instead of %(label)s") % {"label": suggested.shown_name()} if label.pk != suggested.pk else above
        )
        return format_html(
            '<span class="rs-lines"><span class="rs-title">{}</span><span class="rs-sub">{}</span></span>',
            label.shown_name(),
            second,
        )

    @display(description=gettext_lazy("Who"), ordering="reviewer__username")
    def shown_reviewer(self, record: DecisionRecord) -> str:
        if record.is_automatic:
            return gettext("Automatic")
        return record.reviewer.get_username() if record.reviewer else gettext("Somebody who has left")

    @display(description=gettext_lazy("When"), ordering="at")
    def shown_at(self, record: DecisionRecord) -> SafeString:
        return when(record.at)

    @display(description="")
    def buttons(self, record: DecisionRecord) -> SafeString:
        """Restoring what is there already changes nothing, so the newest record of a suggestion offers none."""
        if record.pk == record.newest or record.item_label.superseded_at is not None:  # type: ignore[attr-defined]
            return SafeString("")
        return format_html(
            '<span class="rs-buttons"><button class="rs-button" form="decide-form" name="restore" value="{}:{}" '
            'aria-label="{}">{}</button></span>',
            record.pk,
            record.item_label.decision,
            gettext("Restore: %(act)s for %(item)s")
            % {"act": record.get_act_display(), "item": record.item_label.item.title},
            gettext("Restore"),
        )


def history_address(item_label: ItemLabel) -> str:
    return f"{reverse('admin:catalog_decisionrecord_changelist')}?item_label={item_label.pk}"


def _day(text: Any) -> datetime | None:
    """Its beginning, from "2026-05-01"; None where it is none."""
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        return None
    return timezone.make_aware(datetime(day.year, day.month, day.day))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
