"""Rules: what a merchandiser asks of lists, in versions, and what must hold for golden users."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection, models
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext_lazy

RULES_LOCK = 4_203
ERASED = "(erased)"


class RuleQuerySet(models.QuerySet["Rule"]):
    def in_force(self, at: datetime, placement: str = "") -> RuleQuerySet:
        """Published rules that hold at this moment for this placement, the first in priority first.

        For a moment of the past: those that held then.
        """
        return self.holding(at).for_placement(placement).by_priority()

    def holding(self, at: datetime) -> RuleQuerySet:
        """Published rules of any placement that hold at this moment."""
        published = self.filter(published_at__lte=at).filter(Q(retired_at__isnull=True) | Q(retired_at__gt=at))
        begun = published.filter(Q(starts_at__isnull=True) | Q(starts_at__lte=at))
        return begun.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=at))

    def for_placement(self, placement: str) -> RuleQuerySet:
        return self.filter(placement__in=["", placement])

    def by_priority(self) -> RuleQuerySet:
        return self.order_by("-priority", "name", "-version", "pk")

    def published(self) -> RuleQuerySet:
        """Published and not retired, whether begun, running or over."""
        return self.filter(state=Rule.State.PUBLISHED)

    def not_over(self, now: datetime) -> RuleQuerySet:
        """Published, and running or still to begin."""
        return self.published().filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now))

    def shown_versions(self) -> RuleQuerySet:
        """One row a name: what is published, else its draft, else the newest that was stopped; by name."""
        rank = Case(
            When(state=Rule.State.PUBLISHED, then=0),
            When(state=Rule.State.DRAFT, then=1),
            default=2,
            output_field=models.IntegerField(),
        )
        return self.order_by("name", rank, "-version").distinct("name")

    def newest_versions(self) -> RuleQuerySet:
        """One row a name: its newest version; by name."""
        return self.order_by("name", "-version").distinct("name")

    def forget_user(self, external_id: str) -> None:
        """Rules of all versions name nobody in this user's place: without the entry a rule for them alone would be one
        for everybody."""
        for rule in self.filter(audience__users__contains=[external_id]).order_by("pk"):
            users = [ERASED if user == external_id else user for user in rule.audience["users"]]
            self.filter(pk=rule.pk).update(audience={**rule.audience, "users": list(dict.fromkeys(users))})

    def lock_changes(self) -> None:
        """Until the transaction ends, nobody else drafts, publishes or retires. Lists are served all the while."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RULES_LOCK])


class Rule(models.Model):
    """One version of a rule. Only a draft may be changed; what was published stays as it was, for the audit."""

    class Action(models.TextChoices):
        PIN = "pin", gettext_lazy("Pin")
        BOOST = "boost", gettext_lazy("Boost")
        BURY = "bury", gettext_lazy("Bury")
        EXCLUDE = "exclude", gettext_lazy("Exclude")
        CAP = "cap", gettext_lazy("Cap")

    class State(models.TextChoices):
        DRAFT = "draft", gettext_lazy("Draft")
        PUBLISHED = "published", gettext_lazy("Published")
        RETIRED = "retired", gettext_lazy("Retired")

    class CapBy(models.TextChoices):
        SCOPE = "scope", gettext_lazy("All items of the scope together")
        BRAND = "brand", gettext_lazy("Each brand")
        LABEL = "label", gettext_lazy("Each label")

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    action = models.CharField(max_length=8, choices=Action.choices)
    scope = models.JSONField(default=dict, blank=True, help_text="Which items; see recommender.rules.Scope.")
    audience = models.JSONField(default=dict, blank=True, help_text="Which users; see recommender.rules.Audience.")
    placement = models.CharField(max_length=100, blank=True, help_text="Of the page; empty: everywhere.")
    position = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Where a pin puts its item; 1 is first."
    )
    strength = models.FloatField(
        null=True, blank=True, help_text="Of a boost or bury, in standard deviations of the candidates' scores."
    )
    limit = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The most that a cap lets into a list.")
    cap_by = models.CharField(max_length=6, choices=CapBy.choices, default=CapBy.SCOPE)
    priority = models.SmallIntegerField(default=0, help_text="Of rules that contradict, the higher one wins.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    note = models.CharField(max_length=300, blank=True, help_text="Why; what was changed.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = RuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="rule_version_unique"),
            models.UniqueConstraint(fields=["name"], condition=Q(state="published"), name="rule_one_published"),
            models.UniqueConstraint(fields=["name"], condition=Q(state="draft"), name="rule_one_draft"),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="rule_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", published_at__isnull=True)
                | Q(state="published", published_at__isnull=False, retired_at__isnull=True)
                | Q(state="retired", retired_at__isnull=False),
                name="rule_state_has_its_times",
            ),
        ]
        indexes = [models.Index(fields=["published_at", "retired_at"], name="rule_in_force")]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class GoldenExpectationQuerySet(models.QuerySet["GoldenExpectation"]):
    def active(self) -> GoldenExpectationQuerySet:
        return self.filter(is_active=True).order_by("pk")


class GoldenExpectation(models.Model):
    """What the list of one user must always satisfy. A publish that breaks one is refused."""

    class Kind(models.TextChoices):
        NEVER = "never", gettext_lazy("Never shows")
        SHOWS = "shows", gettext_lazy("Shows at least")
        BRANDS = "brands", gettext_lazy("Different brands, at least")
        LABELS = "labels", gettext_lazy("Different labels, at least")

    user_external_id = models.CharField(max_length=200, help_text="A golden user: the shop's own id of the person.")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    scope = models.JSONField(
        default=dict, blank=True, help_text="Which items it is about; see recommender.rules.Scope."
    )
    least = models.PositiveSmallIntegerField(default=1, help_text="How many at least; not asked of 'never'.")
    n = models.PositiveSmallIntegerField(default=10, help_text="Within the first n of the list.")
    placement = models.CharField(max_length=100, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="Why it matters.")
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    is_met = models.BooleanField(null=True, blank=True, help_text="When it was checked last; empty: never checked.")
    finding = models.CharField(max_length=300, blank=True, help_text="What the last check found, in words.")

    objects = GoldenExpectationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["user_external_id"], name="golden_user")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.user_external_id}"
