"""Rows for tests, one factory a model. What a test does not say is plausible, valid and different each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import factory
import numpy as np
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.utils import timezone
from numpy.typing import NDArray

from catalog.embedding import item_text, text_hash
from catalog.models import Item, ItemEmbedding, ItemLabel, Label, LabelEmbedding, LabelRequest, Taxonomy
from recommender.models import (
    EndUser,
    Evaluation,
    Event,
    Experiment,
    GoldenExpectation,
    InterestLabel,
    InterestVector,
    Rule,
    Slate,
    SlateItem,
    Strategy,
)
from recsite.operations.models import ApiKey, Job

PASSWORD = "correct horse battery staple"
MODEL = "test-embedder"


def unit_vector(seed: int) -> NDArray[np.float32]:
    """A random unit vector, the same for the same seed; two seeds are nearly orthogonal."""
    vector = np.random.default_rng(seed).standard_normal(settings.EMBEDDING_DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def axis(index: int) -> NDArray[np.float32]:
    """The unit vector along one axis, for distances that can be worked out by hand."""
    vector = np.zeros(settings.EMBEDDING_DIM, dtype=np.float32)
    vector[index] = 1.0
    return vector


@cache
def _hashed(password: str) -> str:
    """Hashing is slow on purpose; once a password is enough for a test run."""
    return make_password(password)


class StaffFactory(factory.django.DjangoModelFactory):
    """A member of staff who may do everything; the password is PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"staff-{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@shop.example")
    is_staff = True
    is_superuser = True

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        user = model_class(*args, **kwargs)
        user.password = _hashed(kwargs.get("password", PASSWORD))
        user.save()
        return user


class ApiKeyFactory(factory.django.DjangoModelFactory):
    """A key whose plain text is in `.secret`: `client.get(url, headers={"X-API-Key": key.secret})`."""

    class Meta:
        model = ApiKey

    name = factory.Sequence(lambda n: f"shop backend {n}")
    scopes = factory.LazyFunction(lambda: ["read", "write"])

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **kwargs: Any) -> ApiKey:
        key, secret = model_class.objects.create_key(*args, **kwargs)
        key.secret = secret
        return key


class JobFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Job

    kind = "import_items"
    title = factory.Sequence(lambda n: f"Import feed-{n}.csv")


class ItemFactory(factory.django.DjangoModelFactory):
    """An item on sale. `ItemFactory(vector=axis(3))` also embeds it; `vector=True` picks a random vector."""

    class Meta:
        model = Item
        skip_postgeneration_save = True

    external_id = factory.Sequence(lambda n: f"sku-{n}")
    title = factory.Sequence(lambda n: f"Stone-ground wheat flour No. {n}")
    description = "Ground slowly from whole grain."
    brand = "Millstone"
    price = Decimal("3.49")
    currency = "USD"
    text_hash = factory.LazyAttribute(lambda item: text_hash(item_text(item.title, item.brand, item.description)))

    @factory.post_generation
    def vector(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create and extracted is not None and extracted is not False:
            chosen = {} if extracted is True else {"vector": extracted}
            ItemEmbeddingFactory(item=self, **chosen)


class ItemEmbeddingFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ItemEmbedding

    item = factory.SubFactory(ItemFactory)
    vector = factory.LazyAttribute(lambda embedding: unit_vector(embedding.item.pk))
    model = MODEL
    text_hash = factory.LazyAttribute(lambda embedding: embedding.item.text_hash)


class TaxonomyFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Taxonomy
        django_get_or_create = ("slug",)

    slug = factory.Sequence(lambda n: f"taxonomy-{n}")
    name = factory.LazyAttribute(lambda taxonomy: taxonomy.slug.replace("-", " ").capitalize())


class LabelFactory(factory.django.DjangoModelFactory):
    """A leaf at the root of its taxonomy, or below `parent`."""

    class Meta:
        model = Label

    taxonomy = factory.SubFactory(TaxonomyFactory)
    parent = None
    name = factory.Sequence(lambda n: f"Label {n}")
    path = factory.LazyAttribute(lambda label: f"{label.parent.path} > {label.name}" if label.parent else label.name)
    description = factory.LazyAttribute(lambda label: f"Everything that is {label.name.lower()}.")
    position = factory.Sequence(lambda n: n)


class LabelEmbeddingFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = LabelEmbedding

    label = factory.SubFactory(LabelFactory)
    vector = factory.LazyAttribute(lambda embedding: unit_vector(1_000_000 + embedding.label.pk))
    model = MODEL
    text_hash = factory.LazyAttribute(lambda embedding: text_hash(embedding.label.name))


class ItemLabelFactory(factory.django.DjangoModelFactory):
    """A suggestion of the language model, assigned and awaiting review."""

    class Meta:
        model = ItemLabel

    item = factory.SubFactory(ItemFactory)
    label = factory.SubFactory(LabelFactory)
    taxonomy = factory.LazyAttribute(lambda item_label: item_label.label.taxonomy)
    confidence = 0.8
    source = ItemLabel.Source.LANGUAGE_MODEL
    model = "test-model"
    prompt_version = "letters-1"
    evidence = "flour"
    text_hash = factory.LazyAttribute(lambda item_label: item_label.item.text_hash)
    is_assigned = True


class LabelRequestFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = LabelRequest

    item = factory.SubFactory(ItemFactory)
    taxonomy = factory.SubFactory(TaxonomyFactory)
    text_hash = factory.LazyAttribute(lambda request: request.item.text_hash)


class EndUserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = EndUser

    external_id = factory.Sequence(lambda n: f"household-{n}")


class EventFactory(factory.django.DjangoModelFactory):
    """A purchase an hour ago. Keeps the user's `last_event_*` as record_events would."""

    class Meta:
        model = Event

    user = factory.SubFactory(EndUserFactory)
    item = factory.SubFactory(ItemFactory)
    type = Event.Type.PURCHASE
    occurred_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))

    @classmethod
    def _create(cls, model_class: type[Event], *args: Any, **kwargs: Any) -> Event:
        event: Event = super()._create(model_class, *args, **kwargs)
        user = event.user
        user.last_event_id = max(event.pk, user.last_event_id or 0)
        user.last_event_at = max(event.occurred_at, user.last_event_at or event.occurred_at)
        user.save(update_fields=["last_event_id", "last_event_at"])
        return event


class InterestVectorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = InterestVector

    user = factory.SubFactory(EndUserFactory)
    position = 0
    medoid = factory.SubFactory(ItemFactory)
    vector = factory.LazyAttribute(lambda interest: unit_vector(interest.medoid.pk))
    weight = 1.0


class InterestLabelFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = InterestLabel

    user = factory.SubFactory(EndUserFactory)
    label = factory.SubFactory(LabelFactory)
    weight = 1.0


class StrategyFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Strategy

    name = factory.Sequence(lambda n: f"strategy-{n}")


class RuleFactory(factory.django.DjangoModelFactory):
    """Published and running; `state="draft"` or "retired" has the times that go with it."""

    class Meta:
        model = Rule

    name = factory.Sequence(lambda n: f"rule-{n}")
    action = "exclude"
    state = "published"
    published_at = factory.LazyAttribute(lambda rule: None if rule.state == "draft" else timezone.now())
    retired_at = factory.LazyAttribute(lambda rule: timezone.now() if rule.state == "retired" else None)


class GoldenExpectationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = GoldenExpectation

    user_external_id = factory.Sequence(lambda n: f"golden-{n}")
    kind = "never"


class EvaluationFactory(factory.django.DjangoModelFactory):
    """Finished where it is given a `report`; waiting otherwise."""

    class Meta:
        model = Evaluation

    strategy = factory.SubFactory(StrategyFactory)
    split_at = datetime(2026, 3, 1, tzinfo=UTC)
    parameters = factory.LazyFunction(lambda: {"users": 1_000, "baselines": ["pop", "itemknn", "ease", "repeat"]})
    job = factory.LazyAttribute(
        lambda made: JobFactory(
            kind="evaluate", title=f"Evaluate {made.strategy}", status="succeeded" if made.report else "queued"
        )
    )
    report = factory.LazyFunction(dict)
    finished_at = factory.LazyAttribute(lambda made: timezone.now() if made.report else None)


class SlateFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Slate

    user = factory.SubFactory(EndUserFactory)
    user_external_id = factory.LazyAttribute(lambda slate: slate.user.external_id if slate.user else "nobody")
    is_known_user = factory.LazyAttribute(lambda slate: slate.user is not None)
    n = 12
    strategy = factory.SubFactory(StrategyFactory)
    took_ms = 12.5


class SlateItemFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SlateItem

    slate = factory.SubFactory(SlateFactory)
    position = factory.Sequence(lambda n: n + 1)
    item = factory.SubFactory(ItemFactory)
    score = 1.5
    parts = factory.LazyFunction(
        lambda: [
            {
                "source": "popular",
                "raw": 12.0,
                "z": 1.5,
                "weight": 1.0,
                "contribution": 1.5,
                "evidence": {"users": 12},
                "words": "12 users took it in the last 28 days",
            }
        ]
    )


class ExperimentFactory(factory.django.DjangoModelFactory):
    """A draft of two halves, a and b. `state="running"` starts it a day ago."""

    class Meta:
        model = Experiment

    name = factory.Sequence(lambda n: f"experiment {n}")
    arms = factory.LazyFunction(
        lambda: [{"name": "a", "strategy": None, "share": 1.0}, {"name": "b", "strategy": None, "share": 1.0}]
    )
    salt = "salt"
    started_at = factory.LazyAttribute(
        lambda made: timezone.now() - timedelta(days=1) if getattr(made, "state", "draft") != "draft" else None
    )
