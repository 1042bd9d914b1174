"""What a person or an API key changed: a row an object and act, written by triggers (recsite.operations.tracking)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy


class ChangeQuerySet(models.QuerySet["Change"]):
    def newest_first(self) -> ChangeQuerySet:
        return self.order_by("-at", "-pk")

    def before(self, at: datetime, pk: int) -> ChangeQuerySet:
        """Those that follow this place in the order of `newest_first`; `at__lte` is what the index begins at."""
        return self.filter(at__lte=at).filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))

    def of_object(self, kind: str, object_id: object) -> ChangeQuerySet:
        return self.filter(kind=kind, object_id=str(object_id))

    def by_whom(self) -> ChangeQuerySet:
        return self.select_related("by")


class Change(models.Model):
    class Act(models.TextChoices):
        CREATED = "created", gettext_lazy("Created")
        CHANGED = "changed", gettext_lazy("Changed")
        DELETED = "deleted", gettext_lazy("Deleted")

    at = models.DateTimeField()
    kind = models.CharField(max_length=40, help_text="Of the object, as in recsite.operations.changes.")
    object_id = models.CharField(max_length=200)
    object_name = models.CharField(max_length=300, blank=True, help_text="What it was called then.")
    act = models.CharField(max_length=8, choices=Act.choices)
    before = models.JSONField(default=dict, help_text="column -> value, of the columns that changed.")
    after = models.JSONField(default=dict, help_text="column -> value, of the columns that changed.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150, help_text="Kept where the account is gone, or of the API key.")
    key_prefix = models.CharField(max_length=16, blank=True, help_text="Of the API key that did it, if one did.")
    path = models.CharField(max_length=300, blank=True, help_text="Of the request.")
    batch = models.UUIDField(help_text="Changes of one request share it.")
    reverts = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="reverted_by", help_text="The change it takes back."
    )

    objects = ChangeQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-at", "-id"], name="change_newest"),
            models.Index(fields=["kind", "object_id", "-at", "-id"], name="change_of_object"),
            models.Index(fields=["by", "-at", "-id"], name="change_by"),
        ]

    def __str__(self) -> str:
        return f"{self.get_act_display()} {self.kind} {self.object_name or self.object_id}"
