"""A strategy: a versioned recipe of how lists are made. A changed recipe is a new row."""

from __future__ import annotations

from django.db import models


class Strategy(models.Model):
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    recipe = models.JSONField(default=dict, help_text="See recommender.slates.Recipe for its fields and defaults.")
    is_live = models.BooleanField(default=False, help_text="The one that serves requests which name none.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="strategy_version_unique"),
            models.UniqueConstraint(fields=["is_live"], condition=models.Q(is_live=True), name="strategy_one_live"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
