from __future__ import annotations

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "recsite.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from recsite.operations import schema  # noqa: F401  (drf-spectacular finds it once it is imported)
