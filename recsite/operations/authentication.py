"""Who may call the API: a key with scopes in `X-API-Key`, or a signed-in member of staff."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework import exceptions, permissions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from recsite.operations import change_context
from recsite.operations.models import ApiKey

if TYPE_CHECKING:
    # rest_framework.views imports this module through the settings.
    from rest_framework.views import APIView

READ_METHODS = frozenset(permissions.SAFE_METHODS)


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiKey. `request.user` stays anonymous: a key is not a person."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        secret = request.headers.get("X-API-Key", "")
        if not secret:
            return None
        key: ApiKey | None = None
        prefix = secret.partition(".")[0].replace("\x00", "")
        candidate = ApiKey.objects.filter(prefix=prefix, revoked=False).first()
        if candidate is not None and candidate.is_valid(secret) and not candidate.has_expired:
            key = candidate
        if key is None:
            raise exceptions.AuthenticationFailed(
                "This API key is unknown, revoked or expired. Make one under Operations, API keys."
            )
        now = timezone.now()
        if key.last_used_at is None or now - key.last_used_at > timedelta(minutes=1):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        change_context.by_key(key.prefix, key.name)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


class HasScope(permissions.BasePermission):
    """A key needs `read` to read and `write` to write. Staff may read; to write they need the permission that the view
    names as `writes_need`, and where it names none they have to be superusers."""

    message = "This API key lacks the scope for this call."

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = ApiKey.Scope.READ if request.method in READ_METHODS else ApiKey.Scope.WRITE
        auth: Any = request.auth
        if isinstance(auth, ApiKey):
            return needed.value in auth.scopes
        if not (request.user and request.user.is_staff):
            return False
        if needed == ApiKey.Scope.READ or request.user.is_superuser:
            return True
        permission = getattr(view, "writes_need", "")
        return bool(permission) and request.user.has_perm(permission)
