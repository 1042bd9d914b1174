"""The catalog in the admin: items. The review list is in `catalog.review_admin`, labels in `catalog.taxonomy_admin`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.admin import TabularInline
from unfold.decorators import display

from catalog import review_admin, taxonomy_admin
from catalog.item_rows import FIELDS
from catalog.items import set_hidden, upsert_items
from catalog.models import Item, ItemLabel
from recsite.operations.errors import InvalidInputError
from recsite.operations.model_admin import PageAdmin, chip, chips, meter, number, titled, when
from recsite.operations.stored_words import shown

__all__ = ["review_admin", "taxonomy_admin"]


class ItemForm(forms.ModelForm):
    """Checks through the same rules as a feed's row; saving goes the same way too."""

    class Meta:
        model = Item
        fields = ["external_id", "title"]  # the admin asks for the others by its fieldsets

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            for rejection in upsert_items([self.row()], dry_run=True).rejected:
                self.add_error(rejection.field if rejection.field in self.fields else None, shown(rejection.message))
        return cleaned

    def row(self) -> dict[str, Any]:
        row = {name: self.cleaned_data.get(name) for name in FIELDS}
        row["external_id"] = self.instance.external_id or self.cleaned_data.get("external_id")
        return row


class ItemLabelInline(TabularInline):
    model = ItemLabel
    verbose_name_plural = "Labels"
    fields = ("shown_label", "taxonomy", "shown_confidence", "shown_state", "source", "evidence")
    readonly_fields = fields
    extra = 0
    hide_title = True
    max_num = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[ItemLabel]:
        return ItemLabel.objects.told()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Label")
    def shown_label(self, item_label: ItemLabel) -> str:
        return (item_label.final_label or item_label.label).path

    @display(description="Confidence")
    def shown_confidence(self, item_label: ItemLabel) -> SafeString:
        return meter(item_label.confidence)

    @display(description="State")
    def shown_state(self, item_label: ItemLabel) -> SafeString:
        return review_admin.state_chip(item_label)


@admin.register(Item)
class ItemAdmin(PageAdmin):
    form = ItemForm
    inlines = (ItemLabelInline,)
    list_display = (
        "shown_item",
        "shown_labels",
        "shown_price",
        "shown_stock",
        "shown_visibility",
        "shown_embedding",
        "shown_created",
    )
    list_filter = ("is_hidden", "is_in_stock", ("created_at", admin.DateFieldListFilter))
    search_fields = ("title",)
    search_help_text = "Words of the item, or its id"
    ordering = ("-created_at", "-id")
    actions = ("hide", "show")
    fieldsets = (
        (None, {"fields": ("external_id", "title", "description", ("brand", "product_type"))}),
        (
            "Shop",
            {
                "fields": (
                    ("price", "currency"),
                    ("is_in_stock", "stock_quantity", "is_hidden"),
                    "link",
                    "image_url",
                    "published_at",
                )
            },
        ),
        ("More", {"fields": ("attributes", "shown_embedding", ("created_at", "updated_at"))}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        return (
            Item.objects.with_embedding_hash()
            .defer("search_vector")
            .prefetch_related(Prefetch("labels", queryset=ItemLabel.objects.told(), to_attr="told_labels"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = Item.objects.search(search_term.replace("\x00", "")[:200])
        return queryset.filter(pk__in=found.order_by().values("pk")), False

    def get_fieldsets(self, request: HttpRequest, obj: Item | None = None) -> Any:
        """A new item has no vector, dates or labels to show yet."""
        if obj is not None:
            return self.fieldsets
        return (*self.fieldsets[:2], ("More", {"fields": ("attributes",)}))

    def get_inlines(self, request: HttpRequest, obj: Item | None) -> Any:
        return () if obj is None else self.inlines

    def get_readonly_fields(self, request: HttpRequest, obj: Item | None = None) -> tuple[str, ...]:
        fields = ("shown_embedding", "created_at", "updated_at")
        return fields if obj is None else ("external_id", *fields)

    def has_delete_permission(self, request: HttpRequest, obj: Item | None = None) -> bool:
        """An item with events and slates behind it is hidden, not deleted."""
        return False

    def save_model(self, request: HttpRequest, obj: Item, form: Any, change: bool) -> None:
        report = upsert_items([form.row()])
        if report.rejected:
            raise InvalidInputError(shown(report.rejected[0].message))
        obj.pk = Item.objects.only("pk").get(external_id=form.row()["external_id"]).pk

    def view_on_site(self, item: Item) -> str:
        return reverse("item", args=[item.external_id])

    @display(description="Item", ordering="title")
    def shown_item(self, item: Item) -> SafeString:
        subtitle = " · ".join(part for part in (item.external_id, item.brand) if part)
        return titled(item.title, subtitle, image_url=item.image_url)

    @display(description="Labels")
    def shown_labels(self, item: Any) -> SafeString:
        assigned = [label for label in item.told_labels if label.is_assigned]
        entries = [
            chip((label.final_label or label.label).name, "" if label.decision else "suggested")
            for label in assigned[:3]
        ]
        if len(assigned) > 3:
            entries.append(chip(f"+{len(assigned) - 3}", "quiet"))
        return chips(entries or [chip("None yet", "quiet")])

    @display(description="Price", ordering="price")
    def shown_price(self, item: Item) -> SafeString:
        return number("–" if item.price is None else f"{item.price:,.2f} {item.currency}")

    @display(description="Stock", ordering="is_in_stock")
    def shown_stock(self, item: Item) -> SafeString:
        return chip("In stock", "good") if item.is_in_stock else chip("Out of stock", "warn")

    @display(description="In lists", ordering="is_hidden")
    def shown_visibility(self, item: Item) -> SafeString:
        return chip("Hidden", "bad") if item.is_hidden else chip("Shown", "quiet")

    @display(description="Added", ordering="created_at")
    def shown_created(self, item: Item) -> SafeString:
        return when(item.created_at)

    @display(description="Embedding")
    def shown_embedding(self, item: Any) -> SafeString:
        hash_of_vector = getattr(item, "embedding_hash", None)
        if hash_of_vector is None:
            return chip("Waiting", "warn")
        return chip("Current", "quiet") if hash_of_vector == item.text_hash else chip("Outdated", "warn")

    @admin.action(description="Hide from every list", permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        changed = set_hidden(list(queryset.values_list("pk", flat=True)), hidden=True)
        said = ngettext(
            "%(n)s hidden; no list shows it from now on.", "%(n)s hidden; no list shows them from now on.", changed
        )
        self.message_user(request, said % {"n": changed}, messages.SUCCESS)

    @admin.action(description="Show again", permissions=["change"])
    def show(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        changed = set_hidden(list(queryset.values_list("pk", flat=True)), hidden=False)
        self.message_user(request, gettext("%(n)s shown again.") % {"n": changed}, messages.SUCCESS)
