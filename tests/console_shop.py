"""A small shop with something on every page. Its words are Chinese and its ids are numbers, so that on a Chinese page
every English word is the console's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from catalog.models import Item, ItemLabel, Label, Taxonomy
from recommender import experiment_figures, interests, neighbours, tasks
from recommender.models import EndUser, Evaluation, Experiment, GoldenExpectation, Rule, Slate, Strategy
from recommender.slates import recommend
from recommender.strategies import live_strategy
from recsite.operations.models import Job
from tests.factories import (
    EndUserFactory,
    EvaluationFactory,
    EventFactory,
    ExperimentFactory,
    GoldenExpectationFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    RuleFactory,
    StrategyFactory,
    TaxonomyFactory,
    axis,
    unit_vector,
)
from tests.recommender.evaluation_reports import whole_report

TITLES = ("黑麦面包", "全脂牛奶", "绿茶", "橄榄肥皂")


@dataclass(frozen=True)
class Shop:
    item: Item
    hidden: Item
    label: Label
    taxonomy: Taxonomy
    user: EndUser
    draft: Strategy
    evaluation: Evaluation
    job: Job
    rule: Rule
    rule_draft: Rule
    golden: GoldenExpectation
    experiment: Experiment
    experiment_draft: Experiment
    slate: Slate

    @property
    def interest_label(self) -> Label:
        return self.user.interest_labels.latest("pk").label


def build_shop() -> Shop:
    taxonomy = TaxonomyFactory(name="商品类别", slug="1-1", description="按货架")
    food = LabelFactory(taxonomy=taxonomy, name="食品", description="")
    labels = [
        LabelFactory(taxonomy=taxonomy, parent=food, name=name, description="") for name in ("面包", "奶制品", "茶")
    ]
    labels.append(LabelFactory(taxonomy=taxonomy, name="肥皂", description=""))
    items = []
    for place in range(24):
        item = ItemFactory(
            external_id=str(1000 + place),
            title=f"{TITLES[place % 4]} {place}",
            description="深色，酸味。",
            brand="磨坊",
            price=place + 1,
            currency="",
            stock_quantity=place,
            is_hidden=place == 23,
            vector=unit_vector(place) + 2 * axis(place % 4),
        )
        decided = {"decision": "accepted", "final_label": labels[place % 4]} if place % 5 == 0 else {}
        ItemLabelFactory(item=item, label=labels[place % 4], model="1", evidence="", **decided)
        items.append(item)
    ItemLabel.objects.filter(item=items[1]).update(confidence=0.3)
    for number in range(6):
        user = EndUserFactory(external_id=str(2000 + number))
        for step, item in enumerate(items[number : number + 6]):
            moment = timezone.now() - timedelta(days=step + 1)
            EventFactory(user=user, item=item, type=("purchase", "view", "rate")[step % 3], value=3, occurred_at=moment)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    live = live_strategy()
    user = EndUser.objects.get(external_id="2000")
    rule = RuleFactory(name="规则", action="boost", strength=1.0, scope={"brands": ["磨坊"]})
    arms = [{"name": "甲", "strategy": live.pk, "share": 1.0}, {"name": "乙", "strategy": live.pk, "share": 1.0}]
    experiment = ExperimentFactory(name="实验", state="running", arms=arms)
    recommend(user.external_id, n=6)
    counted = experiment_figures.request(experiment)
    tasks.measure_experiment(counted.pk)
    _jobs()
    return Shop(
        item=items[0],
        hidden=items[23],
        label=labels[0],
        taxonomy=taxonomy,
        user=user,
        draft=StrategyFactory(name="默认", version=1, recipe={}, is_draft=True),
        evaluation=EvaluationFactory(
            strategy=live, report=whole_report(), job=JobFactory(title="Evaluate 默认 1", status="succeeded")
        ),
        job=JobFactory(title="Import 1.csv"),
        rule=rule,
        rule_draft=RuleFactory(name="规则", version=2, action="bury", strength=1.0, state="draft"),
        golden=GoldenExpectationFactory(user_external_id="2000", kind="never", scope={"labels": [labels[3].pk]}),
        experiment=experiment,
        experiment_draft=ExperimentFactory(name="草稿", arms=arms),
        slate=Slate.objects.latest("pk"),
    )


def _jobs() -> None:
    """One under way, one that failed and one that ended, as workers leave them: in English."""
    JobFactory(
        kind="relabel_items",
        title="Label anew: 食品 > 茶 was moved",
        status="running",
        message="1,204 items wait for the models worker",
        started_at=timezone.now(),
        heartbeat_at=timezone.now(),
        total=2_000,
        done=796,
    )
    JobFactory(
        kind="learn_labels",
        title="Train the label head of 商品类别",
        status="failed",
        error="Nobody decided about 商品类别 since version 3 was trained; review some suggestions, then train again.",
    )
    JobFactory(
        kind="learn_labels",
        title="Label 商品类别 anew with version 4",
        status="succeeded",
        details={"said": "Went live: 91% against 88% right on 120 decisions that neither had seen."},
    )
