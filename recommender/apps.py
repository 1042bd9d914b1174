from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = gettext_lazy("Recommendations")

    def ready(self) -> None:
        from recommender import staff_changes
        from recommender.stored_words import SENTENCES
        from recsite.operations import roles, site_settings, stored_words

        staff_changes.register()
        stored_words.register(SENTENCES)
        models = [model._meta.model_name for model in self.get_models()]
        roles.grant(roles.VIEWER, [f"recommender.view_{model}" for model in models])
        for model in ("strategy", "rule", "goldenexpectation", "experiment", "evaluation"):
            acts = ("add", "change", "delete")
            roles.grant(roles.MERCHANDISER, [f"recommender.{act}_{model}" for act in acts])
        roles.grant(roles.MERCHANDISER, ["recommender.add_event", "recommender.add_enduser"])
        roles.grant(roles.ADMIN, ["recommender.change_interestencoder", "recommender.change_enduser"])
        site_settings.define(
            site_settings.Whole(
                key="slates_kept_days",
                group=gettext_lazy("How long things are kept"),
                name=gettext_lazy("Lists that were served"),
                help=gettext_lazy("What the audit shows and replays. 0: for ever."),
                default=lambda: settings.SLATE_RETENTION_DAYS,
                least=0,
                most=36_500,
                unit=gettext_lazy("days"),
            )
        )
