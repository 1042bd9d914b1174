"""How numbers, times, icons and small charts are written on every page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from recsite.operations import stored_words

register = template.Library()

SPRITE = "vendor/tabler-icons/sprite.svg"
FALLBACK_ICON = "package"


@cache
def icon_names() -> frozenset[str]:
    """The icons that the vendored sprite holds."""
    text = (Path(settings.BASE_DIR) / "static" / SPRITE).read_text(encoding="utf-8")
    return frozenset(re.findall(r'<symbol id="([^"]+)"', text))


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """One icon of the sprite; decoration unless it has a label. A name that the sprite lacks gives a box."""
    known = name if name in icon_names() else FALLBACK_ICON
    hidden = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html('<svg class="icon {}" {}><use href="{}#{}"/></svg>', css, hidden, static(SPRITE), known)


def _words_for(age: timedelta) -> str:
    """The age in its largest unit; empty for the future and for more than 30 days, where a date says more."""
    minutes = int(age.total_seconds() // 60)
    if age < timedelta(0) or age > timedelta(days=30):
        return ""
    if minutes < 1:
        return gettext("just now")
    if minutes < 60:
        return gettext("%(n)s min ago") % {"n": minutes}
    if minutes < 24 * 60:
        return gettext("%(n)s h ago") % {"n": minutes // 60}
    days = minutes // (24 * 60)
    return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": days}


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Relative within a month, a date beyond it; the exact time on hover."""
    if moment is None:
        return gettext("never")
    words = _words_for(timezone.now() - moment) or day(moment)
    local = timezone.localtime(moment)
    exact = f"{local:%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, words)


@register.filter
def day(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), gettext("j M Y"))


@register.filter
def calendar_day(value: date) -> str:
    return date_format(value, gettext("j M Y"))


@register.filter
def clock(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "H:i")


@register.filter
def number(value: float | int | None, decimals: int = 0) -> str:
    """Thousands separated, in every language the same; a dash where there is nothing."""
    if value is None:
        return "–"
    return f"{value:,.{decimals}f}"


@register.filter
def short(count: int) -> str:
    """For a badge: 999, 1.2k, 13k."""
    if count < 1000:
        return str(count)
    thousands = count / 1000
    return f"{thousands:.1f}k" if thousands < 10 else f"{thousands:.0f}k"


@register.filter
def percent(share: float | None) -> str:
    """0..1 as a whole percentage that never rounds up to 100% or down to 0%."""
    if share is None:
        return "–"
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


@register.filter
def css_percent(share: float | None) -> str:
    """0..1 as a length for a style attribute, the same in every language."""
    return f"{100 * (share or 0.0):.2f}%"


@register.filter
def css_number(value: float) -> str:
    """A number for a style attribute, the same in every language."""
    return f"{value:.2f}"


@register.filter
def words(name: str) -> str:
    """A key as words: "rejected_rows" reads "Rejected rows", in the reader's language where it is known."""
    return gettext(str(name).replace("_", " ").capitalize())


@register.filter
def said(message: str) -> str:
    """What a job says of itself, in the reader's language where it is known; see recsite.operations.stored_words."""
    return stored_words.shown(message)


@register.filter
def pairs(mapping: Mapping[str, object]) -> list[tuple[str, object]]:
    """Keys with their values: `mapping.items` in a template is the entry of that name where there is one."""
    return list(mapping.items()) if isinstance(mapping, Mapping) else []


@register.filter
def entry(mapping: Mapping[object, object], key: object) -> object:
    """What the mapping has under this key; '' where it has nothing."""
    return mapping.get(key, "")


@register.filter
def unlocalized(value: object) -> str:
    """As the client sent it: an id of 1234 is no quantity, so no separators."""
    return str(value)


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """In words of one unit or two: "8 s", "3 min", "2 h 5 min"."""
    if seconds is None:
        return "–"
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if total < 1:
        return f"{total * 1000:.0f} ms"
    if total < 90:
        return f"{total:.0f} s"
    minutes = round(total / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@register.filter
def signed(value: float, decimals: int = 2) -> str:
    """With a real minus sign and a plus where positive; without a sign where nothing is left of it."""
    text = f"{abs(value):.{decimals}f}"
    if not float(text):
        return text
    return f"−{text}" if value < 0 else f"+{text}"


@register.filter
def hue(text: object) -> int:
    """A hue, 0..345 in steps of 15, that is always the same for the same words."""
    return int(hashlib.sha256(str(text).encode()).hexdigest()[:6], 16) % 24 * 15


@register.filter
def initials(title: str) -> str:
    """The first letter or digit of the first two words; of CJK text its first two characters."""
    words = re.findall(r"\w+", title)
    if not words:
        return "·"
    if re.match(r"[⺀-鿿가-힣぀-ヿ]", words[0]):
        return str(words[0][:2])
    return "".join(word[0] for word in words[:2]).upper()


@register.filter
def people(count: int) -> str:
    return ngettext("%(count)s user", "%(count)s users", count) % {"count": number(count)}


@register.inclusion_tag("pieces/_sparkline.html")
def sparkline(values: Sequence[float], css: str = "") -> dict[str, object]:
    """A line without axes, drawn in a 100 x 28 box from zero to the largest value."""
    points: list[tuple[float, float]] = []
    top = max(values, default=0.0) or 1.0
    for place, value in enumerate(values):
        x = 100 * place / max(1, len(values) - 1)
        points.append((round(x, 2), round(26 - 24 * value / top, 2)))
    line = " ".join(f"{x},{y}" for x, y in points)
    return {"line": line, "area": f"0,28 {line} 100,28" if points else "", "css": css, "is_drawn": len(points) > 1}


@register.inclusion_tag("pieces/_change.html")
def change(now: float | None, before: float | None, lower_is_better: bool = False) -> dict[str, object]:
    """How a number moved against the period before: arrow, percentage, and a word for whom cannot see colour."""
    if not before or now is None:
        return {"is_known": False}
    share = (now - before) / before
    steady = abs(share) < 0.005
    good = (share < 0) if lower_is_better else (share > 0)
    return {
        "is_known": True,
        "is_steady": steady,
        "is_up": share > 0,
        "is_good": good,
        "share": f"{abs(share):.0%}" if abs(share) < 10 else "×" + f"{share + 1:.0f}",
    }
