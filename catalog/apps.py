from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = gettext_lazy("Catalog")

    def ready(self) -> None:
        self._name_models()
        self._register_changes_and_roles()

    def _name_models(self) -> None:
        """What the admin calls the models, in the reader's language. Here, so that no migration follows from words."""
        names = {
            "item": (gettext_lazy("item"), gettext_lazy("items")),
            "taxonomy": (gettext_lazy("taxonomy"), gettext_lazy("taxonomies")),
            "label": (gettext_lazy("label"), gettext_lazy("labels")),
            "itemlabel": (gettext_lazy("item label"), gettext_lazy("item labels")),
            "decisionrecord": (gettext_lazy("decision record"), gettext_lazy("decision records")),
        }
        for model, (one, many) in names.items():
            options = self.get_model(model)._meta
            options.verbose_name, options.verbose_name_plural = one, many

    def _register_changes_and_roles(self) -> None:
        from catalog import model_usage, staff_changes
        from catalog.stored_words import SENTENCES
        from recsite.operations import jobs, roles, stored_words

        staff_changes.register()
        stored_words.register(SENTENCES)
        jobs.METERS.append(model_usage.used)
        models = [model._meta.model_name for model in self.get_models()]
        roles.grant(roles.VIEWER, [f"catalog.view_{model}" for model in models])
        roles.grant(roles.REVIEWER, ["catalog.change_itemlabel", "catalog.add_decisionrecord"])
        roles.grant(roles.MERCHANDISER, ["catalog.add_item", "catalog.change_item"])
        for model in ("taxonomy", "label", "autoaccept"):
            roles.grant(roles.MERCHANDISER, [f"catalog.add_{model}", f"catalog.change_{model}"])
        roles.grant(roles.ADMIN, ["catalog.change_labelhead"])
