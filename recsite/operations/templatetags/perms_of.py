"""Whether the reader may take a change back."""

from __future__ import annotations

from django import template
from django.contrib.auth.context_processors import PermWrapper

from recsite.operations.change_words import ShownChange

register = template.Library()


@register.filter
def may_revert(shown: ShownChange, perms: PermWrapper) -> bool:
    return shown.can_be_reverted and shown.kind is not None and shown.kind.permission in perms
