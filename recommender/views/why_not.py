"""Why not: the step that dropped an item from a user's list; a page of its own, and a part of the user's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from recommender.explanations import ScorePart
from recommender.score_bars import Scale, Segment, scale_of, segments
from recommender.slates import MAX_N, Question
from recommender.users import checked_id
from recommender.why_not import STEPS, Score, Step, WhyNot, find_item, why_not
from recsite.operations.access import staff_page
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.pages import positive

DEFAULT_N = 12


@dataclass(frozen=True)
class Bars:
    """The two scores as stacked bars on one scale."""

    scale: Scale
    own: tuple[Segment, ...]
    last: tuple[Segment, ...]
    sources: tuple[str, ...]


@staff_page
@require_GET
def why_not_part(request: HttpRequest) -> HttpResponse:
    return render(request, "recommender/_why_not.html", why_not_context(request.GET))


@staff_page
@require_GET
def why_not_page(request: HttpRequest) -> HttpResponse:
    return render(request, "recommender/why_not.html", why_not_context(request.GET))


def why_not_context(asked: QueryDict) -> dict[str, object]:
    """What `_why_not.html` needs; the answer is left out until a user and an item are named."""
    user, item = (asked.get(name, "").replace("\x00", "").strip()[:200] for name in ("user", "item"))
    n, at = positive(asked, "n", default=DEFAULT_N, most=MAX_N), moment_of(asked.get("at", ""))
    repeats = asked.get("repeats") if asked.get("repeats") in ("allow", "exclude") else None
    placement = asked.get("placement", "").replace("\x00", "").strip()[:100]
    context: dict[str, object] = {
        "why_user": user,
        "why_item": item,
        "why_n": n,
        "why_at": f"{timezone.localtime(at):%Y-%m-%dT%H:%M}" if at else "",
        "why_placement": placement,
        "why_repeats": repeats or "",
    }
    if not user or not item:
        return context
    try:
        question = Question(checked_id(user), n, placement, repeats, at=at)
        found = why_not(question, find_item(item))
    except NotFoundError as error:
        first, *others = STEPS.items()
        steps = [Step(first[0], str(first[1]), "failed"), *(Step(key, str(title), "open") for key, title in others)]
        return {**context, "why_missing": error.message, "why_steps": steps}
    except InvalidInputError as error:
        return {**context, "why_missing": error.message, "why_steps": []}
    return {**context, "why": found, "why_steps": found.steps, "why_bars": _bars(found)}


def _bars(found: WhyNot) -> Bars | None:
    score: Score | None = found.score
    if score is None:
        return None
    scale = scale_of([score.parts, score.last_parts])
    return Bars(scale, segments(_shown(score.parts), scale), segments(_shown(score.last_parts), scale), _named(score))


def _shown(parts: tuple[ScorePart, ...]) -> list[ScorePart]:
    return sorted(parts, key=lambda part: -abs(part.contribution))


def _named(score: Score) -> tuple[str, ...]:
    return tuple(part.source for part in score.compared if max(abs(part.own), abs(part.last)) >= 0.005)


def moment_of(text: str) -> datetime | None:
    """A moment of the past, in the staff member's time zone where it names none; None where it is none."""
    try:
        moment = parse_datetime(text)
    except ValueError:  # written like a time, but none: the 45th
        return None
    if moment is None:
        return None
    moment = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return moment if moment < timezone.now() else None
