"""The people we recommend to. Staff, who use the console, are Django's own users."""

from __future__ import annotations

from django.apps import apps
from django.db import models
from django.db.models import Count, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce


class EndUserQuerySet(models.QuerySet["EndUser"]):
    def stale(self) -> EndUserQuerySet:
        """Users with events that their interest vectors do not know yet."""
        return self.filter(last_event_id__isnull=False).filter(
            Q(interests_event_id__isnull=True) | Q(interests_event_id__lt=F("last_event_id"))
        )

    def search(self, text: str) -> EndUserQuerySet:
        """Users whose external id contains `text`."""
        return self.filter(external_id__icontains=text)

    def most_recent_first(self) -> EndUserQuerySet:
        return self.order_by(F("last_event_at").desc(nulls_last=True), "-id")

    def with_event_count(self) -> EndUserQuerySet:
        """Adds `event_count`, counted for the rows that are fetched only; slice first."""
        events = apps.get_model("recommender", "Event").objects.filter(user=OuterRef("pk")).order_by()
        counted = events.values("user").annotate(rows=Count("pk")).values("rows")
        return self.annotate(event_count=Coalesce(Subquery(counted), 0))

    def with_interest_labels(self) -> EndUserQuerySet:
        """The strongest interest labels of each user in one more query; `shown_interests` on each user."""
        labels = (
            apps.get_model("recommender", "InterestLabel").objects.select_related("label").order_by("-weight", "id")
        )
        return self.prefetch_related(Prefetch("interest_labels", queryset=labels, to_attr="shown_interests"))


class EndUser(models.Model):
    external_id = models.CharField(max_length=200, unique=True, help_text="The shop's own id of this person.")
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_event_id = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Newest event recorded.")
    last_event_at = models.DateTimeField(null=True, blank=True, editable=False)
    interests_event_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Newest event that the interest vectors know."
    )
    interests_built_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = EndUserQuerySet.as_manager()

    class Meta:
        verbose_name = "user"
        indexes = [models.Index(fields=["-last_event_at", "-id"], name="user_last_event")]

    def __str__(self) -> str:
        return self.external_id

    @property
    def interests_are_current(self) -> bool:
        return (self.interests_event_id or 0) >= (self.last_event_id or 0)
