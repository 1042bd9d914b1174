from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = gettext_lazy("Catalog")

    def ready(self) -> None:
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
