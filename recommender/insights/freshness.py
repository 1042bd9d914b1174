"""How current the interests are that lists rest on, and the statistics."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from recommender.insights.charts import COLOURS, Chart, Column, Empty, Series
from recommender.models import EndUser, ItemStatistics
from recsite.operations.templatetags.console import calendar_day, percent

AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30))


def freshness_chart() -> Chart:
    now = timezone.now()
    found = EndUser.objects.all().count_by_age_of_interests([now - age for age in AGES])
    built_at = ItemStatistics.objects.order_by("item_id").values_list("built_at", flat=True).first()
    names = (
        gettext("within an hour"),
        gettext("within a day"),
        gettext("within a week"),
        gettext("within 30 days"),
        gettext("longer ago"),
        gettext("never"),
    )
    users = sum(found.by_age)
    summary = ""
    if users:
        summary = gettext("%(behind)s of %(users)s users with events are behind (%(share)s); %(statistics)s") % {
            "behind": f"{found.behind:,}",
            "users": f"{users:,}",
            "share": percent(found.behind / users),
            "statistics": _statistics_words(built_at, now),
        }
    return Chart(
        key="freshness",
        question=gettext("How current are the interests?"),
        drawn="bars",
        is_wide=True,
        x_title=gettext("Interests were built"),
        y_title=gettext("Users"),
        columns=(Column("interests_built", gettext("Interests were built")), Column("users", gettext("Users"))),
        rows=tuple(zip(names, found.by_age, strict=True)),
        series=(Series(gettext("Users"), COLOURS[2], tuple(map(float, found.by_age))),),
        categories=names,
        summary=summary,
        note=gettext("As of now, whatever days are chosen. Behind are users with events that their interests lack."),
        as_of=now,
        empty=None
        if users
        else Empty(
            gettext("No user has events yet"),
            gettext("Interests are built within seconds of a user's first event."),
            gettext("See users"),
            reverse("users"),
            "users",
        ),
        more=((gettext("Users who are behind"), reverse("users") + "?behind=1"),),
    )


def _statistics_words(built_at: datetime | None, now: datetime) -> str:
    if built_at is None:
        return gettext("statistics of items were never built.")
    hours = (now - built_at).total_seconds() / 3600
    if hours > 48:
        return gettext("statistics of items are of %(day)s.") % {
            "day": calendar_day(timezone.localtime(built_at).date())
        }
    return gettext("statistics of items are %(n)s hours old.") % {"n": f"{hours:.1f}"}
