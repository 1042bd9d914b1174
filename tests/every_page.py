"""A shop with so many rows of everything, and an example of each page's address in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from catalog.models import DecisionRecord, Item, Label, LabelEmbedding, Taxonomy
from recommender.models import (
    EndUser,
    Evaluation,
    Experiment,
    Finding,
    GoldenExpectation,
    ItemStatistics,
    Neighbour,
    Rule,
    Slate,
    Strategy,
)
from recsite.operations.models import Job
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EvaluationFactory,
    EventFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    LabelRequestFactory,
    SlateFactory,
    SlateItemFactory,
    StrategyFactory,
    TaxonomyFactory,
    unit_vector,
)
from tests.recommender.evaluation_reports import whole_report

# Addresses that answer to POST alone, or belong to a framework; they show no page.
NO_PAGES = {
    "login",
    "logout",
    "set_language",
    "schema",
    "api-docs",
    "health-live",
    "health-ready",
    "evaluation-delete",
    "evaluation-keep",
    "item-label-decision",
    "item-visibility",
    "job_cancel",
    "job_retry",
    "label-preview",
    "record-event",
    "strategy-discard",
    "strategy-changes",
    "strategy-draft",
    "strategy-live",
    "strategy-preview",
    "taxonomy-heads",
    "taxonomy-take-back",
}


# As many whatever n is, so that a list has as many places as it is asked for, and a search finds as much as it shows.
MORE_ITEMS = 160
MORE_LABELS = 30


@dataclass(frozen=True)
class Shop:
    """The rows that examples are about: those that have most of everything else."""

    item: Item
    user: EndUser
    taxonomy: Taxonomy
    label: Label
    strategy: Strategy
    draft: Strategy
    evaluation: Evaluation
    other_evaluation: Evaluation
    job: Job


def fill(n: int) -> Shop:
    """n rows of every model, most of them about the shop's first item, user, label and strategy."""
    now = timezone.now()
    taxonomy = TaxonomyFactory(slug="aisle", name="Aisle")
    root = LabelFactory(taxonomy=taxonomy, name="Food", path="Food")
    user, strategy = EndUserFactory(external_id="u-1"), StrategyFactory(name="mine", is_live=True, published_at=now)
    draft = StrategyFactory(name="mine", version=2, is_draft=True)
    items = []
    more_labels = [LabelFactory(taxonomy=taxonomy, parent=root) for _ in range(MORE_LABELS)]
    more = [ItemFactory(vector=True) for _ in range(MORE_ITEMS)]
    for place, item in enumerate(more):
        ItemLabelFactory(item=item, label=more_labels[place % MORE_LABELS])
    for place in range(n):
        label = LabelFactory(taxonomy=taxonomy, parent=root)
        LabelEmbedding.objects.create(label=label, vector=unit_vector(10_000 + place), model="m", text_hash="")
        item = ItemFactory(vector=True, brand=f"Brand {place}")
        items.append(item)
        for decision in ("", "accepted", "rejected"):
            row = ItemLabelFactory(
                item=item,
                label=label if decision == "" else LabelFactory(taxonomy=TaxonomyFactory()),
                decision=decision,
                decided_at=now if decision else None,
                is_assigned=decision != "rejected",
            )
            if decision:
                DecisionRecord.objects.create(item_label=row, act=decision, label=row.label)
        ItemLabelFactory(item=items[0], label=LabelFactory(taxonomy=TaxonomyFactory()))
        for status in ("done", "failed", "pending"):
            LabelRequestFactory(item=item, status=status)
        ItemStatistics.objects.create(item=item, users=2, popularity=1.0, first_event_at=now, last_event_at=now)
        _events(user, item, place)
        _lists(user, item, strategy, place)
        StrategyFactory(name=f"strategy-{place}", published_at=now)
        EvaluationFactory(strategy=strategy)
        for job_status in ("failed", "running", "succeeded"):
            JobFactory(status=job_status)
        ApiKeyFactory()
        _rules(place, strategy, user)
    for item in more[:n]:
        for kind in Neighbour.Kind:
            Neighbour.objects.create(item=items[0], neighbour=item, kind=kind, score=0.5, users=3)
    evaluations = [EvaluationFactory(strategy=strategy, report=whole_report()) for _ in range(2)]
    Finding.objects.all().keep("skewed_experiments", list(Experiment.objects.values_list("pk", flat=True)))
    job = JobFactory(details={"counts": [{"name": str(place), "rows": place} for place in range(n)]})
    return Shop(items[0], user, taxonomy, root, strategy, draft, *evaluations, job)


def _events(user: EndUser, item: Item, place: int) -> None:
    now = timezone.now()
    for kind in ("view", "purchase", "impression"):
        EventFactory(user=user, item=item, type=kind, occurred_at=now - timedelta(days=place, hours=1))
    EventFactory(item=item, occurred_at=now - timedelta(days=place))
    InterestVectorFactory(user=user, medoid=item, position=place)
    InterestLabelFactory(user=user)
    InterestVectorFactory(user=EndUserFactory(), medoid=item)


def _lists(user: EndUser, item: Item, strategy: Strategy, place: int) -> None:
    slate = SlateFactory(user=user, strategy=strategy)
    Slate.objects.filter(pk=slate.pk).update(served_at=timezone.now() - timedelta(days=place, hours=2))
    SlateItemFactory(slate=slate, item=item, position=1)


def _rules(place: int, strategy: Strategy, user: EndUser) -> None:
    now = timezone.now()
    Rule.objects.create(
        name=f"rule-{place}", action="boost", state="published", published_at=now, ends_at=now + timedelta(days=1)
    )
    GoldenExpectation.objects.create(user_external_id=user.external_id, kind="never", is_met=False)
    Experiment.objects.create(
        name=f"experiment-{place}",
        placement=f"place-{place}",
        state="running",
        arms=[{"name": "a", "strategy": strategy.pk, "share": 1.0}],
    )


def _one(name: str, key: Callable[[Shop], Sequence[object]], query: str = "") -> Callable[[Shop], str]:
    return lambda shop: reverse(name, args=list(key(shop))) + query


# What follows a name is how its address is made; a name that needs nothing is not here.
WITH_ARGUMENTS: Mapping[str, Callable[[Shop], str]] = {
    **{name: _one(name, lambda shop: [shop.item.external_id]) for name in ("item", "api-item", "api-neighbours")},
    **{name: _one(name, lambda shop: [shop.item.pk]) for name in ("item-similar", "item-next", "item-activity")},
    **{name: _one(name, lambda shop: [shop.user.external_id]) for name in ("user", "api-user", "api-recommendations")},
    **{
        name: _one(name, lambda shop: [shop.user.pk])
        for name in ("user-freshness", "user-interests", "user-preferences", "user-timeline")
    },
    "user-list": lambda shop: reverse("user-list") + f"?user={shop.user.external_id}",
    **{
        name: _one(name, lambda shop: [shop.taxonomy.slug])
        for name in (
            *("taxonomy", "taxonomy-confidence", "taxonomy-abstaining", "taxonomy-auto-accept"),
            *("api-labels", "api-taxonomy-confidence"),
        )
    },
    **{
        name: _one(name, lambda shop: [shop.taxonomy.pk])
        for name in ("taxonomy-export", "taxonomy-settings", "label-add")
    },
    "taxonomy-branch": _one("taxonomy-branch", lambda shop: [shop.taxonomy.pk]),
    "taxonomy-search": _one("taxonomy-search", lambda shop: [shop.taxonomy.pk], "?q=Label"),
    "label-options": _one("label-options", lambda shop: [shop.taxonomy.pk], "?q=Label"),
    "label-panel": _one("label-panel", lambda shop: [shop.label.pk]),
    "label-edit": _one("label-edit", lambda shop: [shop.label.pk, "rename"]),
    "label-reach": lambda shop: reverse("label-reach") + f"?label={shop.label.pk}",
    **{name: _one(name, lambda shop: [shop.strategy.name]) for name in ("strategy", "api-strategy")},
    "strategy-edit": _one("strategy-edit", lambda shop: [shop.draft.pk]),
    **{
        name: _one(name, lambda shop: [shop.evaluation.pk])
        for name in ("evaluation", "evaluation-chart", "evaluation-download", "api-evaluation")
    },
    "evaluation-compare": lambda shop: (
        reverse("evaluation-compare") + f"?e={shop.evaluation.pk}&e={shop.other_evaluation.pk}"
    ),
    "job": _one("job", lambda shop: [shop.job.pk]),
    "insights-file": _one("insights-file", lambda shop: ["exposure", "csv"]),
    "search": lambda shop: reverse("search") + "?q=flour",
    "item-options": lambda shop: reverse("item-options") + "?item=flour",
}


def names_of_pages() -> list[str]:
    """Every name in urls.py outside the admin."""
    return sorted(set(_names(get_resolver().url_patterns)) - NO_PAGES)


def _names(patterns: Sequence[URLPattern | URLResolver]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += _names(pattern.url_patterns) if pattern.namespace is None else []
        elif pattern.name:
            found.append(pattern.name)
    return found


def address_of(name: str, shop: Shop) -> str:
    """Raises NoReverseMatch for a page that takes arguments and has no example here: add one to WITH_ARGUMENTS."""
    made = WITH_ARGUMENTS.get(name)
    return made(shop) if made else reverse(name)
