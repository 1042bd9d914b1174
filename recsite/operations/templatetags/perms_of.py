"""Whether the reader may take a change back."""

from __future__ import annotations

from django import template
from django.contrib.auth.context_processors import PermWrapper

from recsite.operations.change_words import ShownChange

register = template.Library()


@register.filter
def may_revert(shown: ShownChange, perms: PermWrapper) -> bool:
    """Where it can be taken back at all, and the object is still there or has to be found in the act itself."""
    if shown.kind is None or not shown.can_be_reverted or shown.kind.permission not in perms:
        return False
    return not shown.is_gone or shown.change.act != "changed"
