"""Leases: one worker at a time does a thing, without a transaction or a connection that has to stay open for it."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone


class LeaseQuerySet(models.QuerySet["Lease"]):
    def take(self, name: str, holder: str, *, seconds: float) -> bool:
        """Whether `holder` now has it: it was free, had run out, or was this holder's already (then it is renewed)."""
        now = timezone.now()
        until = now + timedelta(seconds=seconds)
        Lease.objects.bulk_create([Lease(name=name, holder="", expires_at=now)], ignore_conflicts=True)
        free = Q(holder=holder) | Q(expires_at__lte=timezone.now())
        return bool(self.filter(free, name=name).update(holder=holder, expires_at=until))

    def release(self, name: str, holder: str) -> None:
        self.filter(name=name, holder=holder).update(expires_at=timezone.now())

    def is_taken(self, name: str) -> bool:
        return self.filter(name=name, expires_at__gt=timezone.now()).exists()


class Lease(models.Model):
    name = models.CharField(max_length=60, primary_key=True)
    holder = models.CharField(max_length=60)
    expires_at = models.DateTimeField()

    objects = LeaseQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} until {self.expires_at:%H:%M:%S}"
