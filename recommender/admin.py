"""Users, events, slates and strategies in the admin: to look at, not to change."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count, F, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from catalog.models import Item
from recommender.models import EndUser, Event, InterestLabel, Slate, SlateItem, Strategy
from recommender.templatetags.scores import source_name
from recsite.operations.model_admin import ReadOnlyAdmin, chip, link, meter, number, readable_json, titled, when


def _item(item: Item) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>',
        reverse("admin:catalog_item_change", args=[item.pk]),
        titled(item.title, item.external_id, image_url=item.image_url),
    )


def _found(model: type[Model], user_external_id: str) -> SafeString:
    """A link to a list of the admin, searched for one user."""
    options = model._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return link(f"{address}?{urlencode({'q': user_external_id})}", str(options.verbose_name_plural).capitalize())


class ReadOnlyInline(TabularInline):
    extra = 0
    hide_title = True
    max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class InterestLabelInline(ReadOnlyInline):
    model = InterestLabel
    verbose_name_plural = "Interests, by label"
    fields = ("shown_label", "shown_weight", "built_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[InterestLabel]:
        rows: QuerySet[InterestLabel] = super().get_queryset(request)
        return rows.select_related("label__taxonomy")

    @display(description="Label")
    def shown_label(self, interest: InterestLabel) -> str:
        return f"{interest.label.path} ({interest.label.taxonomy})"

    @display(description="Weight")
    def shown_weight(self, interest: InterestLabel) -> SafeString:
        return meter(interest.weight)


@admin.register(EndUser)
class EndUserAdmin(ReadOnlyAdmin):
    inlines = (InterestLabelInline,)
    list_display = ("external_id", "shown_last_event", "freshness", "shown_built", "shown_created", "events_link")
    search_fields = ("=external_id",)
    search_help_text = "The whole id of a user"
    ordering = (F("last_event_at").desc(nulls_last=True), "-id")
    fieldsets = (
        (None, {"fields": ("external_id", "shown_attributes", "created_at")}),
        ("Events and interests", {"fields": (("last_event_at", "events_link"), ("interests_built_at", "freshness"))}),
    )
    readonly_fields = ("shown_attributes", "freshness", "events_link")

    def view_on_site(self, user: EndUser) -> str:
        return reverse("user", args=[user.external_id])

    @display(description="Last event", ordering="last_event_at")
    def shown_last_event(self, user: EndUser) -> SafeString:
        return when(user.last_event_at)

    @display(description="Interests built", ordering="interests_built_at")
    def shown_built(self, user: EndUser) -> SafeString:
        return when(user.interests_built_at)

    @display(description="Known since", ordering="created_at")
    def shown_created(self, user: EndUser) -> SafeString:
        return when(user.created_at)

    @display(description="Interests")
    def freshness(self, user: EndUser) -> SafeString:
        if user.last_event_id is None:
            return chip("No events", "quiet")
        return chip("Current", "good") if user.interests_are_current else chip("Behind", "warn")

    @display(description="See their")
    def events_link(self, user: EndUser) -> SafeString:
        return format_html("{} · {}", *(_found(model, user.external_id) for model in (Event, Slate)))

    @display(description="Attributes")
    def shown_attributes(self, user: EndUser) -> SafeString:
        return readable_json(user.attributes)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("shown_time", "type_chip", "shown_user", "shown_item", "shown_value", "shown_price", "basket")
    list_filter = (("type", ChoicesDropdownFilter), ("occurred_at", RangeDateTimeFilter))
    list_select_related = ("user", "item")
    search_fields = ("user__external_id",)
    search_help_text = "Id of a user, item or basket"
    ordering = ("-occurred_at", "-id")
    fields = ("external_id", "type", "user", "item", "value", "price", "basket", "occurred_at", "received_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return Event.objects.defer("item__search_vector", "item__description", "item__attributes")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By whole ids, found first by their own indexes: a search over the joined tables would read every event."""
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        users = list(EndUser.objects.filter(external_id=term).values_list("pk", flat=True))
        items = list(Item.objects.filter(external_id=term).values_list("pk", flat=True))
        if users or items:
            return queryset.filter(Q(user__in=users) | Q(item__in=items)), False
        return queryset.filter(basket=term), False

    @display(description="When", ordering="occurred_at")
    def shown_time(self, event: Event) -> SafeString:
        return when(event.occurred_at)

    @display(description="Type", ordering="type")
    def type_chip(self, event: Event) -> SafeString:
        return chip(event.get_type_display(), "bad" if event.type in {Event.Type.HIDE, Event.Type.REFUND} else "quiet")

    @display(description="User")
    def shown_user(self, event: Event) -> SafeString:
        return link(reverse("admin:recommender_enduser_change", args=[event.user_id]), event.user.external_id)

    @display(description="Item")
    def shown_item(self, event: Event) -> SafeString:
        return _item(event.item)

    @display(description="Value")
    def shown_value(self, event: Event) -> SafeString:
        return number(f"{event.value:g}")

    @display(description="Paid")
    def shown_price(self, event: Event) -> SafeString:
        return number("–" if event.price is None else f"{event.price:,.2f}")


class SlateItemInline(ReadOnlyInline):
    model = SlateItem
    verbose_name_plural = "The list as it was served"
    fields = ("position", "shown_item", "shown_score", "shown_parts")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SlateItem]:
        rows: QuerySet[SlateItem] = super().get_queryset(request)
        return rows.select_related("item").defer("item__search_vector", "item__description")

    @display(description="Item")
    def shown_item(self, slate_item: SlateItem) -> SafeString:
        return _item(slate_item.item)

    @display(description="Score")
    def shown_score(self, slate_item: SlateItem) -> SafeString:
        return number(f"{slate_item.score:.3f}")

    @display(description="Why: the parts add up to the score")
    def shown_parts(self, slate_item: SlateItem) -> SafeString:
        return format_html('<span class="rs-parts">{}</span>', format_html_join("", "{}", _parts(slate_item.parts)))


def _parts(parts: list[dict[str, Any]]) -> list[tuple[SafeString]]:
    """Strongest first; a part that says nothing readable still shows its source and what it added."""
    readable = sorted(parts, key=lambda part: -abs(float(part.get("contribution", 0.0))))
    return [
        (
            format_html(
                '<span class="rs-part{}"><b>{}</b><data value="{}">{}</data><span>{}</span></span>',
                " is-negative" if float(part.get("contribution", 0.0)) < 0 else "",
                source_name(str(part.get("source", ""))),
                part.get("contribution", 0.0),
                f"{float(part.get('contribution', 0.0)):+.3f}",
                part.get("words", ""),
            ),
        )
        for part in readable
    ]


@admin.register(Slate)
class SlateAdmin(ReadOnlyAdmin):
    inlines = (SlateItemInline,)
    list_display = ("shown_time", "shown_user", "strategy", "shown_length", "shown_took")
    list_filter = ("is_known_user", "strategy")
    list_select_related = ("user", "strategy")
    search_fields = ("=user_external_id",)
    search_help_text = "The whole id of a user"
    date_hierarchy = "served_at"
    ordering = ("-served_at", "-id")
    fieldsets = (
        (None, {"fields": (("shown_user", "served_at"), ("shown_known", "public_id"))}),
        ("Made by", {"fields": (("strategy", "shown_length", "shown_took"), "shown_versions")}),
    )
    readonly_fields = ("shown_user", "shown_known", "shown_length", "shown_took", "shown_versions")

    def view_on_site(self, slate: Slate) -> str:
        """The audit says it in words, and replays it."""
        return reverse("slate", args=[slate.public_id])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Slate]:
        counted = SlateItem.objects.filter(slate=OuterRef("pk")).order_by().values("slate").annotate(n=Count("pk"))
        return Slate.objects.annotate(items_count=Coalesce(Subquery(counted.values("n")), 0))

    @display(description="Served", ordering="served_at")
    def shown_time(self, slate: Slate) -> SafeString:
        return when(slate.served_at)

    @display(description="User", ordering="user_external_id")
    def shown_user(self, slate: Slate) -> SafeString | str:
        if slate.user_id is None:
            return format_html("{} {}", slate.user_external_id, chip("Unknown", "warn"))
        return link(reverse("admin:recommender_enduser_change", args=[slate.user_id]), slate.user_external_id)

    @display(description="Known user", boolean=True)
    def shown_known(self, slate: Slate) -> bool:
        return slate.is_known_user

    @display(description="Items of asked")
    def shown_length(self, slate: Any) -> SafeString:
        return number(f"{slate.items_count} of {slate.n}")

    @display(description="Took", ordering="took_ms")
    def shown_took(self, slate: Slate) -> SafeString:
        return number(f"{slate.took_ms:.0f} ms")

    @display(description="Versions")
    def shown_versions(self, slate: Slate) -> SafeString:
        return readable_json(slate.versions)


@admin.register(Strategy)
class StrategyAdmin(ReadOnlyAdmin):
    list_display = ("name", "version", "shown_live", "shown_created")
    list_filter = ("is_live", "is_draft")
    ordering = ("-is_live", "name", "-version")
    fields = ("name", "version", "shown_live", "note", "shown_recipe", "created_at", "published_at")
    readonly_fields = ("shown_live", "shown_recipe")

    @display(description="Made", ordering="created_at")
    def shown_created(self, strategy: Strategy) -> SafeString:
        return when(strategy.created_at)

    @display(description="State", ordering="is_live")
    def shown_live(self, strategy: Strategy) -> SafeString:
        if strategy.is_draft:
            return chip("Draft", "warn")
        return chip("Live", "good") if strategy.is_live else chip("Not live", "quiet")

    @display(description="Recipe")
    def shown_recipe(self, strategy: Strategy) -> SafeString:
        return readable_json(strategy.recipe)
