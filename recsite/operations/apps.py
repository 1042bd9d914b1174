from __future__ import annotations

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy


class OperationsConfig(AppConfig):
    name = "recsite.operations"
    label = "operations"
    verbose_name = gettext_lazy("Operations")

    def ready(self) -> None:
        # In the admin "users" are the people we recommend to; those who sign in are staff.
        apps.get_app_config("auth").verbose_name = gettext_lazy("Staff and roles")
        from recsite.operations import own_changes, roles, schema, site_settings  # noqa: F401  (schema: for spectacular)

        own_changes.register()
        post_migrate.connect(roles.make, dispatch_uid="roles")
        self._say_what_roles_may()
        about_console = gettext_lazy("Console")
        site_settings.define(
            site_settings.Whole(
                key="changes_kept_days",
                group=gettext_lazy("How long things are kept"),
                name=gettext_lazy("Changes by staff"),
                help=gettext_lazy(
                    "Who changed what, and how it was before. After that it cannot be reverted. 0: for ever."
                ),
                default=365,
                least=0,
                most=36_500,
                unit=gettext_lazy("days"),
            )
        )
        site_settings.define(
            site_settings.Zone(
                key="console_time_zone",
                group=about_console,
                name=gettext_lazy("Time zone of the console"),
                help=gettext_lazy("For staff who chose none of their own and whose browser names none."),
                default=lambda: settings.TIME_ZONE,
            )
        )

    def _say_what_roles_may(self) -> None:
        from recsite.operations import roles

        seen = ("apikey", "change", "job", "savedview", "setting")
        roles.grant(roles.VIEWER, [f"operations.view_{name}" for name in seen])
        roles.grant(roles.VIEWER, ["auth.view_user", "auth.view_group"])
        roles.grant(roles.MERCHANDISER, ["operations.add_job", "operations.change_job"])
        roles.grant(roles.ADMIN, [f"operations.{act}_apikey" for act in ("add", "change")])
        roles.grant(roles.ADMIN, ["operations.change_setting"])
        roles.grant(roles.ADMIN, [f"auth.{act}_user" for act in ("add", "change")])
