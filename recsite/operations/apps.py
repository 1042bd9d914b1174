from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy


class OperationsConfig(AppConfig):
    name = "recsite.operations"
    label = "operations"
    verbose_name = gettext_lazy("Operations")

    def ready(self) -> None:
        # In the admin "users" are the people we recommend to; those who sign in are staff.
        apps.get_app_config("auth").verbose_name = gettext_lazy("Staff and roles")
        from recsite.operations import schema  # noqa: F401  (drf-spectacular finds it once it is imported)
