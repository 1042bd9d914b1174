"""The review list: what the model suggested for an item, and what staff decided about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RangeNumericFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelect2Widget

from catalog import review, review_bulk_views, review_history_admin, review_views
from catalog.models import ItemLabel, Label
from catalog.review_history_admin import history_address
from catalog.taxonomies import SEPARATOR
from recsite.operations.errors import RecsiteError
from recsite.operations.model_admin import PageAdmin, chip, link, meter, titled, when
from recsite.operations.templatetags.console import short

__all__ = ["review_history_admin"]

STATE_CHIPS = {
    "": (gettext_lazy("Suggested"), "suggested"),
    ItemLabel.Decision.ACCEPTED: (gettext_lazy("Accepted"), "good"),
    ItemLabel.Decision.CORRECTED: (gettext_lazy("Corrected"), "good"),
    ItemLabel.Decision.REJECTED: (gettext_lazy("Rejected"), "rejected"),
}


def waiting_badge(request: HttpRequest) -> str:
    """As the console writes it beside the same entry."""
    waiting = ItemLabel.objects.awaiting_review().count()
    return short(waiting) if waiting else ""


def state_chip(item_label: ItemLabel) -> SafeString:
    if item_label.is_automatic:
        return chip(gettext("Accepted automatically"), "good")
    if item_label.is_abstained:
        return chip(gettext("Too unsure to assign"), "warn")
    if not item_label.decision and not item_label.is_assigned:
        return chip(gettext("Not assigned"), "quiet")
    return chip(*STATE_CHIPS[item_label.decision])


class DecisionFilter(admin.SimpleListFilter):
    title = gettext_lazy("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        decided = [(str(value), str(name)) for value, name in ItemLabel.Decision.choices]
        automatic, unassigned = gettext("Accepted automatically"), gettext("Not assigned")
        return [*decided, ("automatic", automatic), ("unassigned", unassigned), ("all", gettext("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Where nothing is chosen the list is the work to do, so the first choice says that instead of "All"."""
        for place, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": gettext("Waiting for review")} if place == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case None | "":
                return queryset.filter(Q(is_assigned=True) | Q(is_abstained=True), decision="")
            case "unassigned":
                return queryset.filter(is_assigned=False, is_abstained=False, decision="")
            case "automatic":
                return queryset.filter(is_automatic=True)
            case "all":
                return queryset
            case decision:
                return queryset.filter(decision=decision)


class CorrectionForm(forms.ModelForm):
    """One choice: the label that is right. Everything else on the page is what was suggested and decided."""

    final_label = forms.ModelChoiceField(
        queryset=Label.objects.none(),
        required=False,
        label=gettext_lazy("Right label"),
        widget=UnfoldAdminSelect2Widget,
        help_text=gettext_lazy("Choose it and save to correct the suggestion. The suggestion stays on record."),
    )

    class Meta:
        model = ItemLabel
        fields = ["final_label"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "final_label" in self.fields:
            field: Any = self.fields["final_label"]
            field.queryset = Label.objects.assignable().filter(taxonomy_id=self.instance.taxonomy_id)
            field.label_from_instance = lambda label: label.path


@admin.register(ItemLabel)
class ItemLabelAdmin(PageAdmin):
    form = CorrectionForm
    list_display = (
        "shown_item",
        "shown_label",
        "shown_confidence",
        "shown_evidence",
        "made_by",
        "shown_state",
        "buttons",
    )
    list_display_links = ("shown_item",)
    list_filter = (
        DecisionFilter,
        "taxonomy",
        ("confidence", RangeNumericFilter),
        ("source", ChoicesCheckboxFilter),
    )
    list_select_related = ("item", "label", "final_label", "taxonomy", "reviewer")
    search_fields = ("item__title", "label__path", "=item__external_id")
    search_help_text = gettext_lazy("Words of an item or a label")
    ordering = ("-gain", "confidence", "id")
    list_before_template = "admin/catalog/itemlabel/_list_head.html"
    list_after_template = "admin/catalog/itemlabel/decide_form.html"
    actions = ("accept", "reject")
    actions_submit_line = ("accept_this", "reject_this", "undo_this")
    warn_unsaved_form = False
    fieldsets = (
        (None, {"fields": ("item_link", "item_text", "shown_suggestion", ("shown_confidence", "shown_evidence"))}),
        (gettext_lazy("Decision"), {"fields": ("shown_state", "final_label", "shown_history")}),
        (
            gettext_lazy("Made by"),
            {"fields": (("taxonomy", "shown_rank"), ("source", "shown_model"), ("prompt_version", "suggested_at"))},
        ),
    )
    readonly_fields = (
        "item_link",
        "item_text",
        "shown_suggestion",
        "shown_confidence",
        "shown_evidence",
        "shown_state",
        "shown_history",
        "taxonomy",
        "shown_rank",
        "source",
        "shown_model",
        "prompt_version",
        "suggested_at",
    )

    def get_urls(self) -> list[URLPattern]:
        """The pages of review first: what follows them takes anything for an item label's id."""

        def page(address: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            guarded = self.admin_site.admin_view(partial(view, self))
            return path(address, guarded, name=f"catalog_itemlabel_{name}")

        return [
            page("focus/", "focus", review_views.focus),
            page("bulk/", "bulk", review_bulk_views.bulk),
            page("bulk/accept/", "accept_all", review_bulk_views.accept_all),
            page("progress/", "progress", review_views.progress),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ItemLabel]:
        return ItemLabel.objects.current().in_every_language().defer("item__search_vector")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ItemLabel | None = None) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Without the buttons where nothing may be decided, without the decision where nothing is decided yet."""
        left_out = set() if self.has_change_permission(request) else {"buttons"}
        if not request.GET.get(DecisionFilter.parameter_name):
            left_out.add("shown_state")
        return [name for name in super().get_list_display(request) if name not in left_out]

    # ---------------------------------------------------------------- deciding

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A row's buttons post `decide`, like "accept:17"."""
        if request.method == "POST" and "decide" in request.POST:
            if not self.has_change_permission(request):
                raise PermissionDenied
            verb, _, key = request.POST["decide"].partition(":")
            if verb in {"accept", "reject", "undo"} and key.isdecimal():
                self._decide(request, verb, [int(key)])
            return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse = super().changelist_view(request, {"tab": "list", **(extra_context or {})})
        return response

    def _decide(self, request: HttpRequest, verb: str, ids: list[int]) -> None:
        reviewer = request.user
        assert isinstance(reviewer, User)  # noqa: S101  (the admin lets nobody else in)
        try:
            if verb == "undo":
                review.undo(ids[0], reviewer=reviewer)
            else:
                {"accept": review.accept, "reject": review.reject}[verb](ids, reviewer=reviewer)
        except RecsiteError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, _decided_words(verb, len(ids)), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Accept"), permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[ItemLabel]) -> None:
        self._decide(request, "accept", list(queryset.values_list("pk", flat=True)))

    @admin.action(description=gettext_lazy("Reject"), permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[ItemLabel]) -> None:
        self._decide(request, "reject", list(queryset.values_list("pk", flat=True)))

    @action(description=gettext_lazy("Accept"), permissions=["change"])
    def accept_this(self, request: HttpRequest, item_label: ItemLabel) -> None:
        self._decide(request, "accept", [item_label.pk])

    @action(description=gettext_lazy("Reject"), permissions=["change"])
    def reject_this(self, request: HttpRequest, item_label: ItemLabel) -> None:
        self._decide(request, "reject", [item_label.pk])

    @action(description=gettext_lazy("Undo decision"), permissions=["change"])
    def undo_this(self, request: HttpRequest, item_label: ItemLabel) -> None:
        self._decide(request, "undo", [item_label.pk])

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Undo where there is a decision, accept and reject where there is none."""
        decided = ItemLabel.objects.decided_by_people().filter(pk=object_id).exists()
        shown = {"undo_this"} if decided else {"accept_this", "reject_this"}
        return [
            entry
            for entry in super().get_actions_submit_line(request, object_id)
            if entry.action_name.removeprefix("catalog_itemlabel_") in shown
        ]

    def save_model(self, request: HttpRequest, obj: ItemLabel, form: Any, change: bool) -> None:
        for entry in self.get_actions_submit_line(request, obj.pk):
            if entry.action_name in request.POST:
                entry.method(request, obj)
                return
        chosen = form.cleaned_data.get("final_label")
        reviewer = request.user
        if "final_label" not in form.changed_data or chosen is None or not isinstance(reviewer, User):
            self.message_user(
                request, gettext("Nothing was decided; choose the right label, accept or reject."), messages.WARNING
            )
            return
        try:
            review.correct(obj.pk, chosen.pk, reviewer=reviewer)
        except RecsiteError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, gettext("Corrected to %(label)s.") % {"label": chosen.path}, messages.SUCCESS)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["show_save_and_continue"] = False
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def response_change(self, request: HttpRequest, obj: ItemLabel) -> HttpResponse:
        """What was decided has been said already; back to the list, where the next one waits."""
        response: HttpResponse = self.response_post_save_change(request, obj)
        return response

    # ---------------------------------------------------------------- columns

    @display(description=gettext_lazy("Item"), ordering="item__title")
    def shown_item(self, item_label: ItemLabel) -> SafeString:
        item = item_label.item
        return titled(item.title, item.brand or item.external_id, image_url=item.image_url)

    @display(description=gettext_lazy("Label"), ordering="label__path")
    def shown_label(self, item_label: ItemLabel) -> SafeString:
        label = item_label.final_label or item_label.label
        if label.pk != item_label.label_id:
            return _two_lines(
                label.shown_name(), gettext("instead of %(label)s") % {"label": item_label.label.shown_name()}
            )
        above = label.path.rpartition(SEPARATOR)[0]
        return _two_lines(label.shown_name(), " · ".join(part for part in (item_label.taxonomy.name, above) if part))

    @display(description=gettext_lazy("Confidence"), ordering="confidence")
    def shown_confidence(self, item_label: ItemLabel) -> SafeString:
        return meter(item_label.confidence)

    @display(description=gettext_lazy("Evidence"))
    def shown_evidence(self, item_label: ItemLabel) -> SafeString:
        return format_html('<span class="rs-wrap">{}</span>', item_label.evidence or "–")

    @display(description=gettext_lazy("Suggested by"), ordering="source")
    def made_by(self, item_label: ItemLabel) -> SafeString:
        details = " · ".join(part for part in (item_label.prompt_version, item_label.model) if part)
        return _two_lines(item_label.get_source_display(), details)

    @display(description=gettext_lazy("Decision"), ordering="decision")
    def shown_state(self, item_label: ItemLabel) -> SafeString:
        if not item_label.decided_at:
            return state_chip(item_label)
        who = item_label.reviewer.get_username() if item_label.reviewer else gettext("somebody")
        who = "" if item_label.is_automatic else who
        return format_html(
            '{}<br><span class="rs-sub">{}</span> {}',
            state_chip(item_label),
            who,
            when(item_label.decided_at),
        )

    @display(description="")
    def buttons(self, item_label: ItemLabel) -> SafeString:
        if item_label.decision and not item_label.is_automatic:
            return format_html('<span class="rs-buttons">{}</span>', _button("undo", gettext("Undo"), item_label))
        edit = reverse("admin:catalog_itemlabel_change", args=[item_label.pk])
        return format_html(
            '<span class="rs-buttons">{}{}<a class="rs-button" href="{}" aria-label="{}">{}</a></span>',
            _button("accept", gettext("Accept"), item_label),
            _button("reject", gettext("Reject"), item_label),
            edit,
            gettext("Correct the label of %(item)s") % {"item": item_label.item.title},
            gettext("Correct"),
        )

    # ---------------------------------------------------------------- the page of one

    @display(description=gettext_lazy("Item"))
    def item_link(self, item_label: ItemLabel) -> SafeString:
        item = item_label.item
        return link(reverse("admin:catalog_item_change", args=[item.pk]), f"{item.title} ({item.external_id})")

    @display(description=gettext_lazy("Its text"))
    def item_text(self, item_label: ItemLabel) -> str:
        item = item_label.item
        return " · ".join(part for part in (item.brand, item.description[:600]) if part) or gettext("Title only.")

    @display(description=gettext_lazy("History"))
    def shown_history(self, item_label: ItemLabel) -> SafeString:
        return link(history_address(item_label), gettext("Who decided what, and when"))

    @display(description=gettext_lazy("Choice"))
    def shown_rank(self, item_label: ItemLabel) -> str:
        return gettext("The model's choice no. %(rank)s") % {"rank": item_label.rank}

    @display(description=gettext_lazy("Model"))
    def shown_model(self, item_label: ItemLabel) -> str:
        return item_label.model or "–"

    @display(description=gettext_lazy("Suggested label"))
    def shown_suggestion(self, item_label: ItemLabel) -> SafeString:
        return format_html("{}<br>{}", item_label.label.path, item_label.label.description)


def _decided_words(verb: str, n: int) -> str:
    if verb == "undo":
        return gettext("Waiting for review again.")
    if n == 1:
        return gettext("Accepted.") if verb == "accept" else gettext("Rejected.")
    words = gettext("%(n)s accepted.") if verb == "accept" else gettext("%(n)s rejected.")
    return words % {"n": f"{n:,}"}


def _two_lines(first: str, second: str) -> SafeString:
    return format_html(
        '<span class="rs-lines"><span class="rs-title" title="{}">{}</span>'
        '<span class="rs-sub" title="{}">{}</span></span>',
        first,
        first,
        second,
        second,
    )


def _button(verb: str, text: str, item_label: ItemLabel) -> SafeString:
    return format_html(
        '<button class="rs-button" form="decide-form" name="decide" value="{}:{}" aria-label="{}">{}</button>',
        verb,
        item_label.pk,
        gettext("%(act)s: %(label)s for %(item)s")
        % {"act": text, "label": item_label.label.shown_name(), "item": item_label.item.title},
        text,
    )
