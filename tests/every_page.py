"""A shop with so many rows of everything, and every address of the console and the API in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from catalog.models import DecisionRecord, Item, Label, LabelEmbedding, Taxonomy
from recommender import experiment_figures, tasks
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
from tests.console_pages import PAGES, PARTS, names_of_api
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EvaluationFactory,
    EventFactory,
    ExperimentFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    LabelRequestFactory,
    RuleFactory,
    SlateFactory,
    SlateItemFactory,
    StrategyFactory,
    TaxonomyFactory,
    unit_vector,
)
from tests.recommender.evaluation_reports import whole_report

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
    rule: Rule
    rule_draft: Rule
    golden: GoldenExpectation
    experiment: Experiment
    experiment_draft: Experiment
    slate: Slate

    @property
    def hidden(self) -> Item:
        return self.item

    @property
    def interest_label(self) -> Label:
        return self.user.interest_labels.latest("pk").label


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
    rule = Rule.objects.get(name="rule-0")
    RuleFactory(name="another", action="bury", strength=1.0)
    experiment = Experiment.objects.earliest("pk")
    tasks.measure_experiment(experiment_figures.request(experiment).pk)
    return Shop(
        item=items[0],
        user=user,
        taxonomy=taxonomy,
        label=root,
        strategy=strategy,
        draft=draft,
        evaluation=evaluations[0],
        other_evaluation=evaluations[1],
        job=job,
        rule=rule,
        rule_draft=RuleFactory(name=rule.name, version=2, state="draft", scope={"brands": ["Brand 0"]}),
        golden=GoldenExpectation.objects.earliest("pk"),
        experiment=experiment,
        experiment_draft=ExperimentFactory(),
        slate=Slate.objects.latest("pk"),
    )


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
    arms = [{"name": "a", "strategy": strategy.pk, "share": 1.0}]
    ExperimentFactory(name=f"experiment-{place}", placement=f"place-{place}", state="running", arms=arms)


def _api(name: str, *keys: Callable[[Shop], object], query: str = "") -> Callable[[Shop], str]:
    return lambda shop: reverse(name, args=[key(shop) for key in keys]) + query


# The API's addresses; pages are in tests.console_pages.
API: Mapping[str, Callable[[Shop], str]] = {
    **{name: _api(name, lambda shop: shop.item.external_id) for name in ("api-item", "api-neighbours")},
    **{name: _api(name, lambda shop: shop.user.external_id) for name in ("api-user", "api-recommendations")},
    "api-why-not": lambda shop: reverse("api-why-not", args=[shop.user.external_id]) + f"?item={shop.item.external_id}",
    **{name: _api(name, lambda shop: shop.taxonomy.slug) for name in ("api-labels", "api-taxonomy-confidence")},
    "api-strategy": _api("api-strategy", lambda shop: shop.strategy.name),
    "api-rule": _api("api-rule", lambda shop: shop.rule.name),
    "api-experiment": _api("api-experiment", lambda shop: shop.experiment.pk),
    "api-evaluation": _api("api-evaluation", lambda shop: shop.evaluation.pk),
}


# A search asks on until it has enough; these words find as much in a small shop as in a large one.
SEARCHED: Mapping[str, Callable[[Shop], str]] = {
    "search": _api("search", query="?q=flour"),
    "list-label-options": _api("list-label-options", query="?label_q=Label"),
    **{
        name: _api(name, lambda shop: shop.taxonomy.pk, query=f"?{field}=Label")
        for name, field in (("taxonomy-search", "q"), ("label-options", "label"))
    },
}


def addresses_of(name: str, shop: Shop) -> list[str]:
    """Raises NoReverseMatch for an address that takes arguments and has no example: add one to tests.console_pages, or
    here for the API's."""
    if name in SEARCHED:
        return [SEARCHED[name](shop)]
    for table in (PAGES, PARTS):
        if name in table:
            return [address(shop) for address in table[name]]  # type: ignore[arg-type]
    return [API[name](shop)] if name in API else [reverse(name)]


def names_of_pages() -> list[str]:
    """Every page, part and address of the API outside the admin."""
    pages = [name for name in (*PAGES, *PARTS) if not name.startswith("admin:")]
    return sorted({*pages, *names_of_api()})
