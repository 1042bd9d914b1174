"""Addresses to time: every page that needs no argument, and examples of the others from the data that is here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from catalog.models import Item, Label, Taxonomy
from recommender.models import EndUser, Evaluation, Experiment, GoldenExpectation, Rule, Slate, Strategy
from recsite.operations.models import Job

# Pages that do something when they are opened, belong to a framework, or answer a POST only.
LEFT_OUT = {"logout", "set_language", "schema", "api-docs", "javascript-catalog", "login"}


@dataclass(frozen=True)
class Page:
    name: str
    address: str


def pages() -> Iterator[Page]:
    for name in sorted(_names(get_resolver().url_patterns)):
        if name in LEFT_OUT:
            continue
        try:
            yield Page(name, reverse(name))
        except NoReverseMatch:
            continue
    yield from _of_items()
    yield from _of_labels()
    yield from _of_users()
    yield from _of_lists()
    yield from _of_steering()
    yield from _of_results()


def _names(patterns: Sequence[URLPattern | URLResolver]) -> Iterator[str]:
    """Of the site's own pages, not of the admin."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace is None:
                yield from _names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def _at(name: str, *args: object, query: str = "", said: str | None = None) -> Page:
    """said: what tells it from another example of the same page."""
    return Page(f"{name} {query if said is None else said}".strip(), reverse(name, args=args) + query)


def _of_items() -> Iterator[Page]:
    if not (item := Item.objects.recommendable().order_by("pk").first()):
        return
    word = item.title.split(" ")[0]
    for query in (f"?q={word}", f"?q={word}zz", "?sort=price", "?sort=unsure", "?review=waiting", "?page=1000"):
        yield _at("catalog", query=query)
    yield _at("item", item.external_id)
    for name in ("item-similar", "item-next", "item-activity", "item-rules", "item-audience"):
        yield _at(name, item.pk)
    yield _at("search", query="?q=" + item.title[:6])
    yield _at("item-options", query="?q=" + item.title[:6])
    yield _at("api-item", item.external_id)
    yield _at("api-neighbours", item.external_id)


def _of_labels() -> Iterator[Page]:
    label, taxonomy = Label.objects.order_by("pk").first(), Taxonomy.objects.order_by("pk").first()
    if not (label and taxonomy):
        return
    yield _at("catalog", query=f"?label={label.pk}")
    for name in ("taxonomy", "taxonomy-confidence", "api-labels", "api-taxonomy-confidence"):
        yield _at(name, taxonomy.slug)
    yield _at("label-panel", label.pk)
    for name in ("admin:catalog_itemlabel_focus", "admin:catalog_itemlabel_bulk", "admin:catalog_itemlabel_progress"):
        yield _at(name)
    yield _at("admin:catalog_itemlabel_changelist")


def _of_users() -> Iterator[Page]:
    known = EndUser.objects.filter(interest_vectors__position=0).order_by("pk").first()
    busy = EndUser.objects.annotate(n=Count("events")).order_by("-n", "pk").first()
    strategies = "".join(f"&compare={pk}" for pk in Strategy.objects.published().values_list("pk", flat=True)[:2])
    for said, user in (("of one", known), ("of the busiest", busy)):
        if user is None:
            continue
        yield _at("user", user.external_id, said=said)
        for part in ("user-timeline", "user-interests", "interest-map", "interest-map-data"):
            yield _at(part, user.pk, said=said)
        yield _at("user-list", query=f"?user={user.external_id}", said=said)
        yield _at("user-list", query=f"?user={user.external_id}{strategies}", said=f"{said}, side by side")
        yield _at("api-recommendations", user.external_id, said=said)
    for query in ("?q=1", "?behind=1", "?page=100"):
        yield _at("users", query=query)
    yield _at("user", "nobody-knows", said="nobody knows")


def _of_lists() -> Iterator[Page]:
    slate = Slate.objects.filter(user__isnull=False).order_by("-pk").first()
    if slate is None or slate.user is None:
        return
    first = slate.items.order_by("position").first()
    at = f"user={slate.user_external_id}"
    yield _at("audit", query=f"?{at}", said="of a user")
    yield _at("audit", query=f"?strategy={slate.strategy_id}", said="of a strategy")
    yield _at("slate", slate.public_id)
    yield _at("slate-replay", slate.public_id)
    yield _at("audit-diff", query=f"?a={slate.public_id}&b={slate.public_id}", said="of two")
    if first is not None:
        yield _at("audit", query=f"?item={first.item.external_id}", said="of an item")
        for name in ("why-not-page", "why-not"):
            yield _at(name, query=f"?{at}&item={first.item.external_id}", said="of an item")
        yield _at("api-why-not", slate.user_external_id, query=f"?item={first.item.external_id}", said="of an item")


def _of_steering() -> Iterator[Page]:
    published = Rule.objects.published().order_by("pk").first()
    if published is not None:
        yield _at("rule", published.name)
    if draft := Rule.objects.filter(state=Rule.State.DRAFT).order_by("pk").first():
        yield _at("rule-edit", draft.pk)
    if label := Label.objects.order_by("pk").first():
        yield _at("rule-new", query=f"?action=boost&label={label.pk}", said="for a label")
        yield _at("rule-choices", query="?kind=label&q=a", said="of labels")
    if item := Item.objects.order_by("pk").first():
        yield _at("rule-choices", query=f"?kind=item&q={item.title[:4]}", said="of items")
    if golden := GoldenExpectation.objects.order_by("pk").first():
        yield _at("golden-edit", golden.pk)
    if strategy := Strategy.objects.order_by("pk").first():
        yield _at("strategy", strategy.name)
    if experiment := Experiment.objects.order_by("pk").first():
        yield _at("experiment", experiment.pk)


def _of_results() -> Iterator[Page]:
    for days in (7, 90):
        yield _at("insights", query=f"?days={days}")
    yield _at("admin:index")
    for model in ("recommender_slate", "recommender_event", "recommender_enduser", "catalog_item"):
        try:
            yield _at(f"admin:{model}_changelist")
        except NoReverseMatch:
            continue
    if evaluation := Evaluation.objects.order_by("-pk").first():
        yield _at("evaluation", evaluation.pk)
    if job := Job.objects.order_by("-pk").first():
        yield _at("job", job.pk)
