"""Taxonomies and labels in the admin. The console's pages show what an edit changes; here single fields are mended."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext
from unfold.admin import TabularInline
from unfold.decorators import display

from catalog import taxonomies
from catalog.models import Label, LabelName, Taxonomy
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.model_admin import PageAdmin, chip, link, number


class KeepsDecisions(PageAdmin):
    """Is not deleted where decisions of staff would go with it; the page says what to do instead.

    `labels_by`: how labels are found that go with what is deleted.
    """

    labels_by: str

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        found, counts, needed, protected = super().get_deleted_objects(objs, request)
        try:
            going = Label.objects.filter(**{f"{self.labels_by}__in": [each.pk for each in objs]})
            taxonomies.refuse_deletion(going.ids_within(list(going.values_list("pk", flat=True))))
        except ConflictError as error:
            return found, counts, set(), [*protected, error.message]  # before what permissions lack
        return found, counts, needed, protected


@admin.register(Taxonomy)
class TaxonomyAdmin(KeepsDecisions):
    labels_by = "taxonomy"
    list_display = ("name", "slug", "choice", "shown_labels", "shown_active", "position")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ["name"]}
    actions = ("label_anew",)

    def view_on_site(self, taxonomy: Taxonomy) -> str:
        return reverse("taxonomy", args=[taxonomy.slug])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Taxonomy]:
        return Taxonomy.objects.annotate(labels_count=Count("labels", filter=Q(labels__is_deprecated=False))).order_by(
            "position", "id"
        )

    @display(description="Labels")
    def shown_labels(self, taxonomy: Any) -> SafeString:
        address = f"{reverse('admin:catalog_label_changelist')}?taxonomy__id__exact={taxonomy.pk}"
        return link(address, f"{taxonomy.labels_count:,} labels")

    @display(description="Active", boolean=True, ordering="is_active")
    def shown_active(self, taxonomy: Taxonomy) -> bool:
        return taxonomy.is_active

    @admin.action(description="Label every item anew", permissions=["change"])
    def label_anew(self, request: HttpRequest, queryset: QuerySet[Taxonomy]) -> None:
        items = taxonomies.ask_for_labels(list(queryset.values_list("pk", flat=True)))
        said = ngettext(
            "%(n)s item waits to be labelled; decisions of staff stay.",
            "%(n)s items wait to be labelled; decisions of staff stay.",
            items,
        )
        self.message_user(request, said % {"n": f"{items:,}"}, messages.SUCCESS)


class LabelForm(forms.ModelForm):
    class Meta:
        model = Label
        fields = ["taxonomy", "parent", "name", "description", "icon", "external_id", "position", "is_deprecated"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                taxonomies.check_label(
                    self.instance,
                    # Fixed once the label exists, so then it is no field of the form.
                    taxonomy=cleaned.get("taxonomy") or self.instance.taxonomy,
                    parent=cleaned.get("parent"),
                    name=cleaned["name"],
                )
            except InvalidInputError as error:
                self.add_error(None, error.message)
        return cleaned


class LabelNameInline(TabularInline):
    model = LabelName
    fields = ("language", "name")
    verbose_name_plural = "Names in other languages"
    extra = 0
    hide_title = True


@admin.register(Label)
class LabelAdmin(KeepsDecisions):
    labels_by = "pk"
    form = LabelForm
    inlines = (LabelNameInline,)
    list_display = ("shown_path", "taxonomy", "shown_description", "icon", "shown_items", "shown_state")
    list_filter = ("taxonomy", "is_deprecated")
    list_select_related = ("taxonomy",)
    search_fields = ("path", "description")
    autocomplete_fields = ("parent",)
    ordering = ("taxonomy", "position", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        return Label.objects.with_item_counts()

    def get_fields(self, request: HttpRequest, obj: Label | None = None) -> list[str]:
        fields = [*LabelForm.Meta.fields]
        return fields if obj is None else [*fields, "description_source", "merged_into"]

    def get_readonly_fields(self, request: HttpRequest, obj: Label | None = None) -> tuple[str, ...]:
        return () if obj is None else ("taxonomy", "description_source", "merged_into")

    def view_on_site(self, label: Label) -> str:
        return f"{reverse('taxonomy', args=[label.taxonomy.slug])}?label={label.pk}"

    def save_model(self, request: HttpRequest, obj: Label, form: Any, change: bool) -> None:
        if "description" in form.changed_data:
            obj.description_source = Label.DescriptionSource.PERSON if obj.description else ""
        taxonomies.save_label(obj)

    @display(description="Label", ordering="path")
    def shown_path(self, label: Label) -> SafeString:
        above, _, name = label.path.rpartition(taxonomies.SEPARATOR)
        return format_html(
            '<span class="rs-sub">{}</span><span class="rs-title">{}</span>', f"{above} > " if above else "", name
        )

    @display(description="What belongs here")
    def shown_description(self, label: Label) -> SafeString:
        return format_html('<span class="rs-wrap" style="display:block">{}</span>', label.description or "–")

    @display(description="Items")
    def shown_items(self, label: Any) -> SafeString:
        return number(f"{label.items_count:,}")

    @display(description="State", ordering="is_deprecated")
    def shown_state(self, label: Label) -> SafeString:
        return chip("Deprecated", "warn") if label.is_deprecated else chip("In use", "quiet")
