"""A strategy: a versioned recipe of how lists are made. A changed recipe is a new row."""

from __future__ import annotations

from datetime import datetime

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.models import Count, OuterRef, Q, Subquery

STRATEGIES_LOCK = 4_202


class StrategyQuerySet(models.QuerySet["Strategy"]):
    def newest_versions(self) -> StrategyQuerySet:
        """One row a name: its newest version; by name."""
        return self.order_by("name", "-version").distinct("name")

    def published(self) -> StrategyQuerySet:
        return self.filter(is_draft=False)

    def newest_first(self) -> StrategyQuerySet:
        return self.order_by("-version", "-pk")

    def with_last_evaluation(self) -> StrategyQuerySet:
        """Adds `last_report`, the newest finished evaluation's report of each version; None where there is none."""
        finished = (
            apps.get_model("recommender", "Evaluation").objects.filter(strategy=OuterRef("pk")).exclude(report={})
        )
        return self.annotate(last_report=Subquery(finished.order_by("-created_at", "-pk").values("report")[:1]))

    def slates_since(self, moment: datetime) -> dict[int, int]:
        """Strategy id -> slates served since, of all strategies; those without any are left out."""
        served = apps.get_model("recommender", "Slate").objects.filter(served_at__gte=moment).order_by()
        return dict(served.values_list("strategy_id").annotate(Count("pk")))

    def lock_changes(self) -> None:
        """Until the transaction ends, nobody else drafts, publishes or makes live. Lists are served all the while."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [STRATEGIES_LOCK])


class Strategy(models.Model):
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    recipe = models.JSONField(default=dict, help_text="See recommender.strategies.Recipe for its fields and defaults.")
    is_live = models.BooleanField(default=False, help_text="The one that serves requests which name none.")
    is_draft = models.BooleanField(default=False, help_text="Not published yet: may be changed, serves nobody.")
    note = models.CharField(max_length=300, blank=True, help_text="What was changed and why.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)

    objects = StrategyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="strategy_version_unique"),
            models.UniqueConstraint(fields=["is_live"], condition=Q(is_live=True), name="strategy_one_live"),
            models.CheckConstraint(condition=~Q(is_live=True, is_draft=True), name="strategy_live_is_published"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class RankerFitQuerySet(models.QuerySet["RankerFit"]):
    def current(self, strategy_id: int) -> RankerFit | None:
        """The newest that went into use; None where none has: the recipe's own weights hold."""
        return self.filter(strategy_id=strategy_id, is_in_use=True).order_by("-pk").first()


class RankerFit(models.Model):
    """Weights of the sources, fitted on validation for one strategy, by length of history."""

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="fits")
    parameters = models.JSONField(help_text="{settings: {…}, weights: {none|one|few|many: {source: weight}}}.")
    report = models.JSONField(default=dict, help_text="On validation: n, NDCG before and after, their difference.")
    reason = models.CharField(max_length=300, blank=True, help_text="Why it went into use or did not, in words.")
    is_in_use = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RankerFitQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"fit {self.pk} of {self.strategy_id}"
