"""Experiments: users are split between arms by a hash, and what they do afterwards is compared."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy

EXPERIMENTS_LOCK = 4_207


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    def lock_changes(self) -> None:
        """Until the transaction ends, nobody else changes, starts or stops one. Lists are served all the while."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [EXPERIMENTS_LOCK])

    def over(self, moment: datetime) -> ExperimentQuerySet:
        """Running ones whose end has come."""
        return self.running().filter(ends_at__lte=moment)

    def running(self) -> ExperimentQuerySet:
        return self.filter(state=Experiment.State.RUNNING)

    def counting(self, moment: datetime) -> ExperimentQuerySet:
        """Those that run, or whose events may still count: for 30 days after the stop, and a day to count them."""
        return self.filter(Q(state=Experiment.State.RUNNING) | Q(stopped_at__gte=moment - timedelta(days=31)))

    def at(self, moment: datetime) -> ExperimentQuerySet:
        """Without those that were to stop by themselves before."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=moment))

    def for_placement(self, placement: str) -> ExperimentQuerySet:
        """One that names the placement comes before one of all."""
        return self.filter(placement__in=["", placement]).order_by("-placement", "pk")

    def newest_first(self) -> ExperimentQuerySet:
        return self.order_by("-created_at", "-pk")


class Experiment(models.Model):
    class State(models.TextChoices):
        DRAFT = "draft", gettext_lazy("Draft")
        RUNNING = "running", gettext_lazy("Running")
        STOPPED = "stopped", gettext_lazy("Stopped")

    class Measure(models.TextChoices):
        CLICK = "click", gettext_lazy("Clicks")
        ADD_TO_CART = "add_to_cart", gettext_lazy("Add to cart")
        PURCHASE = "purchase", gettext_lazy("Purchases")

    name = models.CharField(max_length=100, unique=True)
    hypothesis = models.CharField(max_length=300, blank=True, help_text="What is expected, and why.")
    placement = models.CharField(max_length=100, blank=True, help_text="Of the page; empty: everywhere.")
    traffic_share = models.FloatField(
        default=1.0, help_text="Of all users, the share that takes part: above 0, up to 1."
    )
    arms = models.JSONField(
        default=list,
        help_text='[{"name", "strategy": id or null for the live one, "share"}]; the first is the control.',
    )
    measure = models.CharField(max_length=12, choices=Measure.choices, default=Measure.PURCHASE)
    attribution_hours = models.PositiveSmallIntegerField(
        default=72, help_text="An event counts for a list where the item was on it within so many hours before."
    )
    salt = models.CharField(max_length=32, editable=False, help_text="Hashed with the user's id; fixed at the start.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    note = models.CharField(max_length=300, blank=True, help_text="What was decided, and why.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When it stops by itself; empty: when stopped.")
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    promoted_arm = models.CharField(max_length=60, blank=True, help_text="Whose strategy was made live, if any.")

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["placement"], condition=Q(state="running"), name="experiment_one_running_a_placement"
            ),
            models.CheckConstraint(
                condition=Q(traffic_share__gt=0, traffic_share__lte=1), name="experiment_traffic_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_draft(self) -> bool:
        return self.state == self.State.DRAFT

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING
