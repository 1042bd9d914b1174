"""Users: create or change one, and erase one with everything that is known about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext

from recommender.models import EndUser, Event, GoldenExpectation, Rule, Slate
from recsite.operations.errors import InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

MAX_EXTERNAL_ID = 200
MAX_ATTRIBUTES_BYTES = 20_000


@dataclass(frozen=True)
class Erased:
    events: int
    slates: int


def checked_id(external_id: str) -> str:
    """The id as events store it, without spaces around it. Raises InvalidInputError where no user can have it."""
    external_id = external_id.strip()
    if not external_id or len(external_id) > MAX_EXTERNAL_ID or "\x00" in external_id:
        raise InvalidInputError(
            gettext("A user's id has 1 to %(most)s characters, none of them NUL; this one has %(n)s.")
            % {"most": MAX_EXTERNAL_ID, "n": f"{len(external_id):,}"}
        )
    return external_id


def put(external_id: str, attributes: dict[str, Any]) -> tuple[EndUser, bool]:
    """The user with exactly these attributes, and whether they are new. Raises InvalidInputError."""
    external_id = checked_id(external_id)
    text = json.dumps(attributes, ensure_ascii=False)
    if len(text.encode()) > MAX_ATTRIBUTES_BYTES:
        raise InvalidInputError(
            f"attributes are {len(text.encode()):,} bytes; at most {MAX_ATTRIBUTES_BYTES:,} are kept."
        )
    if "\\u0000" in text:
        raise InvalidInputError("attributes contain a NUL character; take it out.")
    user, created = EndUser.objects.update_or_create(external_id=external_id, defaults={"attributes": attributes})
    log.info("user_put", user=user.pk, created=created)
    return user, created


def get(external_id: str) -> EndUser:
    """Raises NotFoundError, and InvalidInputError where no user can have that id."""
    external_id = checked_id(external_id)
    user = EndUser.objects.filter(external_id=external_id).first()
    if user is None:
        raise NotFoundError(f"There is no user {external_id!r}; a user appears with their first event, or by PUT.")
    return user


def erase(external_id: str) -> Erased:
    """Delete the user, their events, interests and slates, for good. Raises NotFoundError where there is nothing.

    Slates served under this id before the user was known go too, and so does what is expected of them as a golden user;
    rules that name them name nobody in their place. Counts over all users change at their next rebuild.
    """
    external_id = checked_id(external_id)
    with transaction.atomic():
        # A rebuild that is under way ends first: it would else write interests of a user who is gone, and fail with
        # everybody it rebuilds at once.
        known = EndUser.objects.filter(external_id=external_id)
        EndUser.objects.lock_interests(list(known.values_list("pk", flat=True)))
        user = EndUser.objects.select_for_update().filter(external_id=external_id).first()
        slates = Slate.objects.filter(user_external_id=external_id)
        erased = Erased(
            events=Event.objects.filter(user=user).count() if user else 0,
            slates=slates.count(),
        )
        if user is None and not erased.slates:
            raise NotFoundError(f"There is no user {external_id!r}; there is nothing to erase.")
        slates.delete()
        GoldenExpectation.objects.filter(user_external_id=external_id).delete()
        Rule.objects.all().forget_user(external_id)
        if user is not None:
            user.delete()
    log.info("user_erased", user=user.pk if user else None, events=erased.events, slates=erased.slates)
    return erased
