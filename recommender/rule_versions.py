"""The life of a rule's versions: draft, change, discard, publish, stop, and back.

Every act takes one lock, so that each sees what the one before it did; none of them ever changes what a published
version says. Whatever becomes valid is refused where it would break what must hold for a golden user.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext

from recommender import golden
from recommender.models import Rule
from recommender.rule_content import MOST_PRIORITY, RuleContent, checked, checked_name, content_of
from recommender.rules import by_priority
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.recreation import insert

log = structlog.get_logger(__name__)

Draft, Published, Retired = Rule.State.DRAFT, Rule.State.PUBLISHED, Rule.State.RETIRED


@transaction.atomic
def draft_new(name: str, content: RuleContent, *, staff: User) -> Rule:
    """The first draft of a rule. Raises InvalidRuleError, or ConflictError where the name is taken."""
    Rule.objects.lock_changes()
    name, content = checked_name(name), checked(content)
    if Rule.objects.filter(name=name).exists():
        raise ConflictError(
            gettext("There is a rule “%(name)s” already; choose another name, or start a new version on its page.")
            % {"name": name}
        )
    return _create(name, content, staff=staff)


@transaction.atomic
def draft_version(source_id: int, *, staff: User) -> Rule:
    """A draft of the next version that says what `source_id` says. Raises ConflictError where there is a draft."""
    Rule.objects.lock_changes()
    source = _version(source_id)
    if there := Rule.objects.filter(name=source.name, state=Draft).first():
        raise ConflictError(
            gettext("%(name)s has a draft already, version %(version)s; go on with it, or discard it first.")
            % {"name": source.name, "version": there.version}
        )
    return _create(source.name, replace(content_of(source), note=""), staff=staff)


@transaction.atomic
def change(draft_id: int, content: RuleContent, *, expected: str, staff: User) -> Rule:
    """Store what a draft says. `expected` is the digest of what the editor saw.

    Raises InvalidRuleError where it cannot work, ConflictError where somebody stored something else meanwhile or it is
    no draft any more.
    """
    draft = _unchanged_draft(draft_id, expected)
    columns = checked(content).as_columns()
    for name, value in columns.items():
        setattr(draft, name, value)
    draft.save(update_fields=list(columns))
    log.info("rule_changed", rule=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def discard(draft_id: int, *, staff: User) -> Rule:
    """Delete a draft. Raises ConflictError where it is none."""
    Rule.objects.lock_changes()
    draft = _draft(draft_id)
    draft.delete()
    log.info("rule_discarded", rule=draft_id, staff=staff.pk)
    return draft


@transaction.atomic
def put_back(draft: Rule, *, staff: User) -> Rule:
    """A draft that was discarded, under its id and its version. Raises ConflictError where its place was taken
    meanwhile, InvalidRuleError where what it is about is gone."""
    Rule.objects.lock_changes()
    of_name = Rule.objects.filter(name=draft.name)
    if there := of_name.filter(Q(state=Draft) | Q(version=draft.version)).first():
        raise ConflictError(
            gettext("%(rule)s took its place meanwhile; go on with that one, or discard it first.") % {"rule": there}
        )
    checked(content_of(draft))
    insert(draft)
    log.info("rule_put_back", rule=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def publish(draft_id: int, *, expected: str, staff: User) -> Rule:
    """Let lists obey a draft from now on, or from its start; the version before it is retired at the same moment.

    Raises ConflictError where golden users would not get what they must, naming them.
    """
    draft = _unchanged_draft(draft_id, expected)
    checked(content_of(draft))
    published = _publish([draft], staff=staff)[0]
    log.info("rule_published", rule=published.pk, version=published.version, staff=staff.pk)
    return published


@transaction.atomic
def publish_edited(draft_id: int | None, name: str, content: RuleContent, *, expected: str, staff: User) -> Rule:
    """Store what stands in the form and publish it: both or nothing. draft_id: None where it was never saved."""
    if draft_id is None:
        draft = draft_new(name, content, staff=staff)
    else:
        draft = change(draft_id, content, expected=expected, staff=staff)
    return publish(draft.pk, expected=digest_of(draft), staff=staff)


@transaction.atomic
def stop(rule_id: int, *, staff: User) -> Rule:
    """Lists do without the rule from now on. Raises ConflictError where this version is not the published one."""
    Rule.objects.lock_changes()
    rule = _version(rule_id)
    if rule.state != Published:
        raise ConflictError(gettext("%(rule)s is not published, so there is nothing to stop.") % {"rule": rule})
    rule.state, rule.retired_by, rule.retired_at = Retired, staff, timezone.now()
    rule.save(update_fields=["state", "retired_by", "retired_at"])
    log.info("rule_stopped", rule=rule.pk, staff=staff.pk)
    return rule


@transaction.atomic
def revert(version_id: int, *, staff: User) -> Rule:
    """A new published version that says what an earlier one said. Raises ConflictError like `publish`."""
    Rule.objects.lock_changes()
    earlier = _version(version_id)
    if earlier.state != Retired:
        raise ConflictError(
            gettext("%(rule)s was not replaced or stopped; there is nothing to go back to.") % {"rule": earlier}
        )
    content = checked(replace(content_of(earlier), note=gettext("Back to version %(n)s") % {"n": earlier.version}))
    made = _publish([_unsaved(earlier.name, content, staff=staff)], staff=staff)[0]
    log.info("rule_reverted", rule=made.pk, to=earlier.pk, staff=staff.pk)
    return made


@transaction.atomic
def undo_publish(rule_id: int, *, staff: User) -> Rule:
    """As it was before this version was published: the version it replaced comes back, or the rule is stopped."""
    Rule.objects.lock_changes()
    rule = _version(rule_id)
    if rule.state != Published:
        raise ConflictError(
            gettext("%(rule)s is not published any more, so there is nothing to undo.") % {"rule": rule}
        )
    replaced = replaced_by(rule)
    return revert(replaced.pk, staff=staff) if replaced else stop(rule.pk, staff=staff)


@transaction.atomic
def move(rule_id: int, place: int, *, staff: User) -> list[Rule]:
    """Put a rule at this place in the order of priority, 1 being the first of those that run or are to begin.

    Rules whose priority changes get a new version each, as few as possible; returns those. Raises ConflictError where
    the rule is not among them, or as `publish` does.
    """
    Rule.objects.lock_changes()
    order = by_priority(Rule.objects.not_over(timezone.now()))
    moved = next((rule for rule in order if rule.pk == rule_id), None)
    if moved is None:
        raise ConflictError(
            gettext("Only a rule that runs or is to begin has a place; this one was changed meanwhile.")
        )
    rest = [rule for rule in order if rule.pk != rule_id]
    place = min(max(place, 1), len(order)) - 1
    if order[place] is moved:
        return []
    rest.insert(place, moved)
    drafts = [
        _unsaved(rule.name, replace(content_of(rule), priority=priority), staff=staff)
        for rule, priority in zip(rest, _priorities(rest, place), strict=True)
        if priority != rule.priority
    ]
    made = _publish(drafts, staff=staff)
    log.info("rule_moved", rule=rule_id, place=place + 1, changed=len(made), staff=staff.pk)
    return made


def replaced_by(rule: Rule) -> Rule | None:
    """The version that was retired when this one was published."""
    return Rule.objects.filter(name=rule.name, retired_at=rule.published_at).exclude(pk=rule.pk).first()


def digest_of(rule: Rule) -> str:
    """What a draft says, so that an editor can tell whether somebody stored something else meanwhile."""
    content = content_of(rule)
    times = {"starts_at": content.starts_at, "ends_at": content.ends_at}
    columns = {
        **content.as_columns(),
        **{name: at.astimezone(UTC).isoformat() if at else None for name, at in times.items()},
    }
    text = json.dumps(columns, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _priorities(order: list[Rule], place: int) -> list[int]:
    """New priorities, only that of `place` another where there is room between its neighbours."""
    priorities = [rule.priority for rule in order]
    above = priorities[place - 1] if place else priorities[1] + 20
    below = priorities[place + 1] if place + 1 < len(order) else above - 20
    if above - below >= 2 and abs(between := (above + below) // 2) <= MOST_PRIORITY:
        priorities[place] = between
        return priorities
    step = max(1, min(10, MOST_PRIORITY // len(order)))
    return [step * (len(order) - index) for index in range(len(order))]


def _publish(drafts: list[Rule], *, staff: User) -> list[Rule]:
    """Publish drafts, stored or not, of different names, at one moment."""
    now = timezone.now()
    for draft in drafts:
        if draft.ends_at is not None and draft.ends_at <= now:
            raise InvalidInputError(gettext("%(rule)s would be over already; give it a later end.") % {"rule": draft})
    names = [draft.name for draft in drafts]
    before = list(Rule.objects.holding(now))
    for at in sorted({now, *(draft.starts_at for draft in drafts if draft.starts_at and draft.starts_at > now)}):
        others = Rule.objects.holding(at).exclude(name__in=names)
        golden.refuse_broken(by_priority([*others, *(draft for draft in drafts if _holds(draft, at))]), before)
    for draft in drafts:
        Rule.objects.filter(name=draft.name, state=Published).update(state=Retired, retired_by=staff, retired_at=now)
        newest = Rule.objects.filter(name=draft.name).exclude(pk=draft.pk).aggregate(n=Max("version"))["n"] or 0
        draft.version = max(draft.version if draft.pk else 0, newest + 1)
        draft.state, draft.published_by, draft.published_at = Published, staff, now
        draft.save()
    return drafts


def _holds(draft: Rule, at: datetime) -> bool:
    return (draft.starts_at is None or draft.starts_at <= at) and (draft.ends_at is None or draft.ends_at > at)


def _create(name: str, content: RuleContent, *, staff: User) -> Rule:
    draft = _unsaved(name, content, staff=staff)
    draft.version = (Rule.objects.filter(name=name).aggregate(n=Max("version"))["n"] or 0) + 1
    draft.save()
    log.info("rule_drafted", rule=draft.pk, staff=staff.pk)
    return draft


def _unsaved(name: str, content: RuleContent, *, staff: User) -> Rule:
    return Rule(name=name, created_by=staff, **content.as_columns())


def _unchanged_draft(draft_id: int, expected: str) -> Rule:
    Rule.objects.lock_changes()
    draft = _draft(draft_id)
    if digest_of(draft) != expected:
        raise ConflictError(
            gettext("Somebody saved %(rule)s since you opened it. What you typed is still here.") % {"rule": draft}
        )
    return draft


def _draft(draft_id: int) -> Rule:
    draft = _version(draft_id)
    if draft.state != Draft:
        raise ConflictError(
            gettext("%(rule)s was published, and a published version is never changed. Start a new version from it.")
            % {"rule": draft}
        )
    return draft


def _version(rule_id: int) -> Rule:
    rule = Rule.objects.filter(pk=rule_id).first()
    if rule is None:
        raise NotFoundError(gettext("That version does not exist any more: somebody discarded the draft."))
    return rule
