"""What staff may set while the site runs, and the views of pages that they keep."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Setting(models.Model):
    """One value under its key; a key without a row has its default, see recsite.operations.site_settings."""

    key = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def of_page(self, page: str, staff_id: int) -> SavedViewQuerySet:
        """Their own and those that others share, by name."""
        return self.filter(Q(owner_id=staff_id) | Q(is_shared=True), page=page).order_by("name", "pk")


class SavedView(models.Model):
    """A page with its filters, under a name."""

    page = models.CharField(max_length=60, help_text="The page's name in urls.py.")
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=2000, blank=True, help_text="What follows the ? in its address.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    is_shared = models.BooleanField(default=False, help_text="Whether the rest of the staff see it too.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["page", "owner", "name"], name="saved_view_unique")]

    def __str__(self) -> str:
        return f"{self.name} ({self.page})"
