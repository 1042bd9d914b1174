"""The life of a strategy's versions: draft, edit, discard, publish, make live, and back.

Every act takes one lock, so that each sees what the one before it did; none of them ever changes a published recipe.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, ProtectedError, Q
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from recommender import golden
from recommender.models import Rule, Strategy
from recommender.strategies import live_strategy, recipe_from
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.recreation import insert

log = structlog.get_logger(__name__)

LONGEST_NAME = 100
LONGEST_NOTE = 300


@transaction.atomic
def create_draft(
    source_id: int, *, staff: User, name: str = "", recipe: Mapping[str, object] | None = None, note: str = ""
) -> Strategy:
    """A draft with the recipe of `source_id`, or another: the next version of its name, or of another `name`.

    Raises ConflictError where that name has a draft already.
    """
    Strategy.objects.lock_changes()
    source = _version(source_id)
    name = _checked_name(name) if name.strip() else source.name
    others = Strategy.objects.filter(name=name)
    if there := others.filter(is_draft=True).first():
        raise ConflictError(
            gettext("%(name)s has a draft already, version %(version)s; go on with it, or discard it first.")
            % {"name": name, "version": there.version}
        )
    recipe_from(recipe := source.recipe if recipe is None else dict(recipe))
    draft = Strategy.objects.create(
        name=name,
        version=_next_version(name),
        recipe=recipe,
        note=_checked_note(note),
        is_draft=True,
        created_by=staff,
    )
    log.info("strategy_drafted", strategy=draft.pk, source=source.pk, staff=staff.pk)
    return draft


@transaction.atomic
def edit_draft(draft_id: int, recipe: Mapping[str, object], *, note: str, expected: str, staff: User) -> Strategy:
    """Store a draft's recipe. `expected` is the digest of what the editor saw.

    Raises InvalidInputError where the recipe cannot work, ConflictError where somebody stored something else meanwhile
    or it is no draft any more.
    """
    draft = _unchanged_draft(draft_id, expected)
    recipe_from(recipe)
    draft.recipe, draft.note = dict(recipe), _checked_note(note)
    draft.save(update_fields=["recipe", "note"])
    log.info("strategy_edited", strategy=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def discard_draft(draft_id: int, *, staff: User) -> Strategy:
    """Delete a draft. Raises ConflictError where it is none, or where slates refer to it."""
    Strategy.objects.lock_changes()
    draft = _draft(draft_id)
    try:
        draft.delete()
    except ProtectedError:
        raise ConflictError(
            gettext("%(strategy)s stays: lists that were served refer to it.") % {"strategy": draft}
        ) from None
    log.info("strategy_discarded", strategy=draft_id, staff=staff.pk)
    return draft


@transaction.atomic
def remove_new(draft_id: int, *, staff: User) -> Strategy:
    """`discard_draft`, refused where something was measured with the draft: that would be lost with it."""
    Strategy.objects.lock_changes()
    draft = _draft(draft_id)
    if measured := draft.evaluations.count():
        raise ConflictError(
            ngettext(
                "%(n)s evaluation measured %(strategy)s and would go with it; discard the draft on its own page.",
                "%(n)s evaluations measured %(strategy)s and would go with it; discard the draft on its own page.",
                measured,
            )
            % {"n": measured, "strategy": draft}
        )
    return discard_draft(draft_id, staff=staff)


@transaction.atomic
def put_back(draft: Strategy, *, staff: User) -> Strategy:
    """A draft that was discarded, under its id and its version. Raises ConflictError where its place was taken
    meanwhile, InvalidInputError where its recipe cannot work any more."""
    Strategy.objects.lock_changes()
    of_name = Strategy.objects.filter(name=draft.name)
    if there := of_name.filter(Q(is_draft=True) | Q(version=draft.version)).first():
        raise ConflictError(
            gettext("%(strategy)s took its place meanwhile; go on with that one, or discard it first.")
            % {"strategy": there}
        )
    recipe_from(draft.recipe)
    insert(draft)
    log.info("strategy_put_back", strategy=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def publish(draft_id: int, *, staff: User, expected: str) -> Strategy:
    """Make a draft a version that is never changed again, the newest of its name. It is not live by that."""
    draft = _unchanged_draft(draft_id, expected)
    recipe_from(draft.recipe)
    newest = Strategy.objects.published().filter(name=draft.name).aggregate(newest=Max("version"))["newest"] or 0
    draft.version = draft.version if draft.version > newest else _next_version(draft.name)
    draft.is_draft, draft.published_by, draft.published_at = False, staff, timezone.now()
    draft.save(update_fields=["version", "is_draft", "published_by", "published_at"])
    log.info("strategy_published", strategy=draft.pk, version=draft.version, staff=staff.pk)
    return draft


@transaction.atomic
def make_live(strategy_id: int, *, staff: User, instead_of: int) -> Strategy:
    """Let a published version serve requests that name none, instead of the one that was seen to be live.

    Raises ConflictError where another one went live meanwhile, where it is a draft, or where golden users would not get
    what they must any more.
    """
    Strategy.objects.lock_changes()
    strategy = _version(strategy_id)
    if strategy.is_draft:
        raise ConflictError(gettext("%(strategy)s is a draft; publish it first.") % {"strategy": strategy})
    live = live_strategy()
    if live.pk != instead_of:
        raise ConflictError(
            gettext("%(strategy)s went live meanwhile. Look at what differs from it, then try again.")
            % {"strategy": live}
        )
    recipe_from(strategy.recipe)
    Rule.objects.lock_changes()  # what is checked here must not change before it is live
    golden.refuse_broken(strategy=strategy)
    Strategy.objects.filter(is_live=True).update(is_live=False)
    strategy.is_live = True
    strategy.save(update_fields=["is_live"])
    log.info("strategy_live", strategy=strategy.pk, before=live.pk, staff=staff.pk)
    return strategy


@transaction.atomic
def publish_edited(
    draft_id: int,
    recipe: Mapping[str, object],
    *,
    note: str,
    expected: str,
    staff: User,
    instead_of: int | None = None,
) -> Strategy:
    """Store what stands in the form, publish it, and with `instead_of` make it live: all of it or nothing."""
    draft = edit_draft(draft_id, recipe, note=note, expected=expected, staff=staff)
    published = publish(draft_id, staff=staff, expected=digest_of(draft))
    return published if instead_of is None else make_live(published.pk, staff=staff, instead_of=instead_of)


def digest_of(strategy: Strategy) -> str:
    """What a draft says, so that an editor can tell whether somebody stored something else meanwhile."""
    text = json.dumps([strategy.recipe, strategy.note], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _next_version(name: str) -> int:
    newest = Strategy.objects.filter(name=name).aggregate(newest=Max("version"))["newest"]
    return (newest or 0) + 1


def _unchanged_draft(draft_id: int, expected: str) -> Strategy:
    Strategy.objects.lock_changes()
    draft = _draft(draft_id)
    if digest_of(draft) != expected:
        raise ConflictError(
            gettext("Somebody saved %(strategy)s since you opened it. What you typed is still here.")
            % {"strategy": draft}
        )
    return draft


def _draft(draft_id: int) -> Strategy:
    draft = _version(draft_id)
    if not draft.is_draft:
        raise ConflictError(
            gettext("%(strategy)s was published, and a published version is never changed. Start a new draft from it.")
            % {"strategy": draft}
        )
    return draft


def _version(strategy_id: int) -> Strategy:
    strategy = Strategy.objects.filter(pk=strategy_id).first()
    if strategy is None:
        raise NotFoundError(gettext("That version does not exist any more: somebody discarded the draft."))
    return strategy


def _checked_name(name: str) -> str:
    """As it may stand in an address."""
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise InvalidInputError(
            gettext("The name has %(n)s characters; at most %(most)s fit.") % {"n": len(name), "most": LONGEST_NAME}
        )
    if re.search(r"[/\\\x00-\x1f]", name) or not name.strip("."):
        raise InvalidInputError(gettext("A name holds no slash or control character and is more than dots."))
    return name


def _checked_note(note: str) -> str:
    note = " ".join(note.replace("\x00", "").split())
    if len(note) > LONGEST_NOTE:
        raise InvalidInputError(
            gettext("The note has %(n)s characters; at most %(most)s fit.") % {"n": len(note), "most": LONGEST_NOTE}
        )
    return note
