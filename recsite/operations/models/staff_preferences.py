"""How a member of staff wants the console to be."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy


class StaffPreferences(models.Model):
    """Empty where they chose nothing: then the browser's, or the site's."""

    class Theme(models.TextChoices):
        LIGHT = "light", gettext_lazy("Light")
        DARK = "dark", gettext_lazy("Dark")
        SYSTEM = "system", gettext_lazy("As the system")

    staff = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=10, blank=True)
    theme = models.CharField(max_length=6, choices=Theme.choices, blank=True)
    single_keys = models.BooleanField(null=True, help_text="Whether letters alone are shortcuts; WCAG 2.1.4.")
    last_seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"preferences of {self.staff_id}"
