"""How the places on lists are spread over the catalog."""

from __future__ import annotations

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Item
from recommender.algorithms import exposure
from recommender.insights.activity import no_lists
from recommender.insights.charts import COLOURS, REST_COLOUR, Chart, Column, Series
from recommender.models import Slate
from recsite.operations.date_range import DateRange
from recsite.operations.templatetags.console import percent

# Read from an index alone: a fifth of a second for the 240,000 places of so many lists.
MOST_LISTS = 20_000
TOP = 0.01


def exposure_chart(asked: DateRange) -> Chart:
    lists, counted = Slate.objects.all().places_by_item(asked.start, asked.end, most=MOST_LISTS)
    places = np.array(counted, dtype=np.int64)
    n_items = max(Item.objects.filter(is_hidden=False).count(), len(places))
    curve = exposure.lorenz(places, n_items)
    shares = np.linspace(0.0, 1.0, len(curve))
    summary = ""
    if len(places):
        summary = gettext(
            "%(lists)s lists showed %(shown)s of %(items)s items (%(share)s); the most shown 1%% of items had %(top)s "
            "of all places. Gini %(gini)s: 0 is even, 1 is all places for one item."
        ) % {
            "lists": f"{lists:,}",
            "shown": f"{len(places):,}",
            "items": f"{n_items:,}",
            "share": percent(len(places) / n_items),
            "top": percent(exposure.share_of_top(places, n_items, top=TOP)),
            "gini": f"{exposure.gini(places, n_items):.2f}",
        }
    even, real = gettext("If all items were shown alike"), gettext("As they were shown")
    return Chart(
        key="exposure",
        question=gettext("How much of the catalog is shown?"),
        drawn="curve",
        x_title=gettext("Share of items, the least shown first"),
        y_title=gettext("Share of places on lists"),
        columns=(
            Column("share_of_items", gettext("Share of items, the least shown first")),
            Column("share_of_places", gettext("Share of places on lists")),
        ),
        rows=tuple((float(share), float(value)) for share, value in zip(shares, curve, strict=True)),
        series=(
            Series(real, COLOURS[0], tuple(map(float, curve))),
            Series(even, REST_COLOUR, tuple(map(float, shares))),
        ),
        categories=tuple(f"{share:.2f}" for share in shares),
        summary=summary,
        note=gettext("Lorenz curve over the items that are not hidden, of the newest %(n)s lists of these days.")
        % {"n": f"{MOST_LISTS:,}"},
        as_of=timezone.now(),
        empty=None if len(places) else no_lists(asked),
    )
