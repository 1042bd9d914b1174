"""How the admin looks and where its sidebar leads: the console's colours, its words and its order."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

# Words of the admin's theme that it has no translation for.
gettext_noop("System")
gettext_noop("Type to search")


def _entry(title: Any, icon: str, link: Any, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": link, **more}


def _console(title: Any, icon: str, link: str) -> dict[str, Any]:
    """A page outside the admin: never the current place here, though every address begins like "/"."""
    return _entry(title, icon, link, active=lambda request: False)


def _list(model: str) -> Any:
    return reverse_lazy(f"admin:{model}_changelist")


def _in_review(request: Any) -> bool:
    """Every page of review, whose addresses have no beginning of their own."""
    match = request.resolver_match
    return bool(match and (match.url_name or "").startswith(("catalog_itemlabel_", "catalog_decisionrecord_")))


def _may_view(permission: str) -> Any:
    return lambda request: request.user.has_perm(permission)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "recsite",
    "SITE_HEADER": "recsite",
    "SITE_SUBHEADER": _("Catalog and recommendations"),
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("admin/logo.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("admin/logo.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("admin/recsite.css"), lambda request: static("admin/review.css")],
    "SCRIPTS": [lambda request: static("admin/theme.js")],
    "COLORS": {
        "base": {
            "50": "#f6f7f9",
            "100": "#f1f3f5",
            "200": "#e3e6ea",
            "300": "#c9ced6",
            "400": "#929cae",
            "500": "#626b7e",
            "600": "#4a5264",
            "700": "#3b4454",
            "800": "#272e3a",
            "900": "#171b23",
            "950": "#0f1218",
        },
        "primary": {
            "50": "#edf2ff",
            "100": "#dbe4ff",
            "200": "#bac8ff",
            "300": "#91a7ff",
            "400": "#748ffc",
            "500": "#5c7cfa",
            "600": "#4263eb",
            "700": "#3b5bdb",
            "800": "#364fc7",
            "900": "#2b3f9e",
            "950": "#1f2d70",
        },
        "font": {
            "subtle-light": "#626b7e",
            "subtle-dark": "#929cae",
            "default-light": "#4a5264",
            "default-dark": "#b3bbca",
            "important-light": "#1b2130",
            "important-dark": "#e8ebf1",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _console(_("Home"), "home", "/"),
                    _console(_("Catalog"), "grid_view", "/catalog/"),
                    _entry(
                        _("Review"),
                        "fact_check",
                        reverse_lazy("admin:catalog_itemlabel_focus"),
                        active=_in_review,
                        badge="catalog.review_admin.waiting_badge",
                        badge_variant="primary",
                        permission=_may_view("catalog.view_itemlabel"),
                    ),
                    _console(_("Users"), "group", "/users/"),
                    _console(_("Operations"), "monitoring", "/operations/jobs/"),
                ],
            },
            {
                "title": _("Catalog"),
                "separator": True,
                "items": [
                    _entry(_("Items"), "inventory_2", _list("catalog_item"), permission=_may_view("catalog.view_item")),
                    _entry(
                        _("Taxonomies"),
                        "account_tree",
                        _list("catalog_taxonomy"),
                        permission=_may_view("catalog.view_taxonomy"),
                    ),
                    _entry(_("Labels"), "label", _list("catalog_label"), permission=_may_view("catalog.view_label")),
                ],
            },
            {
                "title": _("Recommendations"),
                "separator": True,
                "items": [
                    _entry(
                        _("Users"),
                        "person",
                        _list("recommender_enduser"),
                        permission=_may_view("recommender.view_enduser"),
                    ),
                    _entry(
                        _("Events"), "bolt", _list("recommender_event"), permission=_may_view("recommender.view_event")
                    ),
                    _entry(
                        _("Slates"),
                        "format_list_numbered",
                        _list("recommender_slate"),
                        permission=_may_view("recommender.view_slate"),
                    ),
                    _entry(
                        _("Strategies"),
                        "tune",
                        _list("recommender_strategy"),
                        permission=_may_view("recommender.view_strategy"),
                    ),
                ],
            },
            {
                "title": _("Operations"),
                "separator": True,
                "items": [
                    _entry(
                        _("Jobs"),
                        "pending_actions",
                        _list("operations_job"),
                        permission=_may_view("operations.view_job"),
                    ),
                    _entry(
                        _("API keys"), "key", _list("operations_apikey"), permission=_may_view("operations.view_apikey")
                    ),
                    _entry(_("Staff"), "badge", _list("auth_user"), permission=_may_view("auth.view_user")),
                    _entry(_("Roles"), "shield_person", _list("auth_group"), permission=_may_view("auth.view_group")),
                ],
            },
        ],
    },
}
