"""API keys: a prefix to recognise, a hash to check, scopes that say what the holder may do."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


class ApiKey(AbstractAPIKey):
    class Scope(models.TextChoices):
        READ = "read", "Read items, users and recommendations"
        WRITE = "write", "Write items, users and events"

    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices), default=list)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"
