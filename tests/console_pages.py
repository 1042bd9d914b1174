"""Every page of the console with an example of its address, for tests that walk them all.

A new address needs a line here: in PAGES where people open it, in PARTS where a page loads it, in ACTS where it only
takes a POST, or in APART where it is no page at all. `shop` is a `tests.console_shop.Shop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.console_shop import Shop

Address = Callable[[Shop], str]


def at(name: str, *args: Callable[[Shop], object], query: str = "") -> Address:
    return lambda shop: reverse(name, args=[each(shop) for each in args]) + query


def item(shop: Shop) -> object:
    return shop.item.pk


def label(shop: Shop) -> object:
    return shop.label.pk


def slug(shop: Shop) -> object:
    return shop.taxonomy.slug


def taxonomy(shop: Shop) -> object:
    return shop.taxonomy.pk


def user(shop: Shop) -> object:
    return shop.user.external_id


def user_pk(shop: Shop) -> object:
    return shop.user.pk


def draft(shop: Shop) -> object:
    return shop.draft.pk


def evaluation(shop: Shop) -> object:
    return shop.evaluation.pk


def rule_draft(shop: Shop) -> object:
    return shop.rule_draft.pk


def experiment(shop: Shop) -> object:
    return shop.experiment.pk


def slate(shop: Shop) -> object:
    return shop.slate.public_id


def act(name: str) -> Callable[[Shop], object]:
    return lambda shop: name


PAGES: Mapping[str, tuple[Address, ...]] = {
    "home": (at("home"),),
    "catalog": (at("catalog"), at("catalog", query="?q=%E6%B2%A1%E6%9C%89")),
    "item": (at("item", lambda shop: shop.item.external_id), at("item", lambda shop: shop.hidden.external_id)),
    "taxonomies": (at("taxonomies"),),
    "taxonomy": (
        at("taxonomy", slug),
        lambda shop: f"{reverse('taxonomy', args=[shop.taxonomy.slug])}?label={shop.label.pk}",
    ),
    "taxonomy-confidence": (at("taxonomy-confidence", slug),),
    "users": (at("users"),),
    "user": (at("user", user), at("user", act("9999"))),
    "strategies": (at("strategies"),),
    "strategy": (at("strategy", lambda shop: shop.draft.name),),
    "strategy-edit": (at("strategy-edit", draft),),
    "evaluations": (at("evaluations"),),
    "evaluation": (at("evaluation", evaluation),),
    "evaluation-compare": (lambda shop: f"{reverse('evaluation-compare')}?of={shop.evaluation.pk}",),
    "insights": (at("insights"),),
    "why-not-page": (
        at("why-not-page"),
        lambda shop: f"{reverse('why-not-page')}?user={shop.user.external_id}&item={shop.item.external_id}",
    ),
    "rules": (at("rules"),),
    "rule": (at("rule", lambda shop: shop.rule.name),),
    "rule-new": (at("rule-new"), lambda shop: f"{reverse('rule-new')}?action=pin&item={shop.item.external_id}"),
    "rule-edit": (at("rule-edit", rule_draft),),
    "golden-users": (at("golden-users"),),
    "golden-new": (at("golden-new"),),
    "golden-edit": (at("golden-edit", lambda shop: shop.golden.pk),),
    "experiments": (at("experiments"),),
    "experiment": (at("experiment", experiment),),
    "experiment-new": (at("experiment-new"),),
    "experiment-edit": (at("experiment-edit", lambda shop: shop.experiment_draft.pk),),
    "audit": (at("audit"), at("audit", query="?user=nobody")),
    "audit-diff": (lambda shop: f"{reverse('audit-diff')}?a={shop.slate.public_id}&b={shop.slate.public_id}",),
    "slate": (at("slate", slate),),
    "changes": (at("changes"),),
    "settings": (at("settings"),),
    "api-keys": (at("api-keys"),),
    "staff": (at("staff"),),
    "data-quality": (at("data-quality"),),
    "interest-encoder": (at("interest-encoder"),),
    "models": (at("models"),),
    "jobs": (at("jobs"),),
    "job": (at("job", lambda shop: shop.job.pk),),
    "admin:catalog_itemlabel_focus": (at("admin:catalog_itemlabel_focus"),),
    "admin:catalog_itemlabel_bulk": (at("admin:catalog_itemlabel_bulk"),),
    "admin:catalog_itemlabel_accept_all": (at("admin:catalog_itemlabel_accept_all"),),
}
# Loaded by a page, or opened in a dialog of one; rendered alone by the tests of words.
PARTS: Mapping[str, tuple[Address, ...]] = {
    "events-chart": (at("events-chart"),),
    "search": (at("search", query="?q=1"),),
    "item-options": (at("item-options", query="?q=1"),),
    "user-list": (lambda shop: f"{reverse('user-list')}?user={shop.user.external_id}",),
    "user-freshness": (at("user-freshness", user_pk),),
    "user-interests": (at("user-interests", user_pk),),
    "user-preferences": (at("user-preferences", user_pk),),
    "user-timeline": (at("user-timeline", user_pk),),
    "user-label-events": (at("user-label-events", user_pk, lambda shop: shop.interest_label.pk),),
    "list-label-options": (at("list-label-options", query="?label_q=1"),),
    "brand-options": (at("brand-options", query="?brand=1"),),
    "interest-map": (at("interest-map", user_pk),),
    "why-not": (lambda shop: f"{reverse('why-not')}?user={shop.user.external_id}&item={shop.item.external_id}",),
    "rule-choices": (at("rule-choices", query="?kind=item&q=1"),),
    "item-rules": (at("item-rules", item),),
    "item-audience": (at("item-audience", item),),
    "experiment-chart": (at("experiment-chart", experiment),),
    "slate-replay": (at("slate-replay", slate),),
    "changes-of": (lambda shop: f"{reverse('changes-of', args=['item'])}?object={shop.item.pk}",),
    "site-settings": (at("site-settings"),),
    "saved-views": (at("saved-views", query="?page=catalog"),),
    "evaluation-list": (at("evaluation-list"),),
    "evaluation-chart": (at("evaluation-chart", evaluation),),
    "label-reach": (lambda shop: f"{reverse('label-reach')}?label={shop.label.pk}",),
    "label-impact": (
        lambda shop: f"{reverse('label-impact')}?edit=split&label={shop.label.pk}",
        lambda shop: f"{reverse('label-impact')}?edit=move&label={shop.label.pk}",
    ),
    "review-impact": (
        at("review-impact"),
        at("review-impact", query="?act=reject&row=1"),
        at("review-impact", query="?as_of=2026-01-01T00:00:00%2B00:00"),
    ),
    "auto-accept-impact": (at("auto-accept-impact", slug, query="?threshold=50&audit_share=5"),),
    "item-next": (at("item-next", item),),
    "item-activity": (at("item-activity", item),),
    "item-similar": (at("item-similar", item),),
    "taxonomy-new": (at("taxonomy-new"),),
    "taxonomy-import": (at("taxonomy-import"),),
    "taxonomy-branch": (at("taxonomy-branch", taxonomy),),
    "taxonomy-search": (at("taxonomy-search", taxonomy, query="?q=1"),),
    "taxonomy-settings": (at("taxonomy-settings", taxonomy),),
    "label-add": (at("label-add", taxonomy),),
    "label-panel": (at("label-panel", label),),
    "label-edit": tuple(
        at("label-edit", label, act(name))
        for name in ("add", "rename", "move", "describe", "names", "merge", "split", "deprecate")
    ),
    "label-options": (at("label-options", taxonomy, query="?q=1"),),
    "model-states": (at("model-states"),),
    "taxonomy-abstaining": (at("taxonomy-abstaining", slug),),
    "taxonomy-auto-accept": (at("taxonomy-auto-accept", slug),),
    "job-tray": (at("job-tray"),),
}
ACTS = frozenset(
    {
        "api-key-new",
        "api-key-revoke",
        "audit-export",
        "change-revert",
        *(f"experiment-{act}" for act in ("delete", "measure", "promote", "restore", "resume", "start", "stop")),
        "experiment-unpromote",
        *(f"golden-{act}" for act in ("act", "check", "preview", "restore")),
        "preferences",
        *(f"rule-{act}" for act in ("act", "check", "discard", "draft", "move", "preview")),
        "saved-view",
        "saved-view-new",
        "setting",
        "staff-active",
        "staff-new",
        "staff-role",
        "evaluation-delete",
        "evaluation-keep",
        "item-label-decision",
        "item-visibility",
        "job_cancel",
        "job_retry",
        "label-preview",
        "logout",
        "record-event",
        "set_language",
        "strategy-changes",
        "strategy-discard",
        "strategy-draft",
        "strategy-live",
        "strategy-preview",
        "taxonomy-heads",
        "taxonomy-take-back",
    }
)
# Files, machine readable answers, and the page of strangers, which has tests of its own.
APART = frozenset(
    {
        "audit-export-file",
        "experiment-download",
        "insights-file",
        "interest-map-data",
        "api-docs",
        "evaluation-download",
        "health-live",
        "health-ready",
        "login",
        "schema",
        "taxonomy-export",
    }
)


def names_of_addresses() -> set[str]:
    """Of every address outside the admin and the API."""
    return {
        pattern.name
        for pattern in _patterns(get_resolver().url_patterns)
        if pattern.name and pattern.name not in names_of_api()
    }


def names_of_api() -> set[str]:
    """Of every address of the API."""
    names = {pattern.name for pattern in _patterns(get_resolver().url_patterns) if pattern.name}
    return {name for name in names if name.startswith("api-") and name not in {*PAGES, *PARTS, *ACTS, *APART}}


def _patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for each in found:
        if isinstance(each, URLPattern):
            yield each
        elif each.app_name != "admin":
            yield from _patterns(each.url_patterns)


def addresses(shop: Shop, names: Mapping[str, tuple[Address, ...]]) -> list[str]:
    return [address(shop) for _, several in sorted(names.items()) for address in several]
