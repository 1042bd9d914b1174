"""API keys: make one with scopes, revoke it, and the storefront's own that `manage.py up` keeps in a file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import structlog
from django.utils.translation import gettext

from recsite.operations.embedded.processes import write_private
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import ApiKey

log = structlog.get_logger(__name__)

STOREFRONT = "storefront"


def create(name: str, scopes: Iterable[str], *, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """The key and its secret, which is stored as a hash only and cannot be shown again. Raises InvalidInputError."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in ApiKey.Scope.values]
    if not wanted or unknown:
        raise InvalidInputError(
            gettext("Scopes %(scopes)s: use one or more of %(known)s.")
            % {"scopes": ", ".join(unknown) or "(none)", "known": ", ".join(ApiKey.Scope.values)}
        )
    secret = ApiKey.objects.create_key(name=name, scopes=wanted, expiry_date=expires_at)[1]
    key = ApiKey.objects.get(prefix=secret.partition(".")[0])
    log.info("api_key_created", prefix=key.prefix, scopes=wanted)
    return key, secret


def revoke(key: ApiKey, *, confirmed: str | None = None) -> None:
    """For good. confirmed: what somebody typed to confirm it; raises InvalidInputError where that is not its name."""
    if confirmed is not None and confirmed.strip().casefold() != key.name.strip().casefold():
        raise InvalidInputError(gettext("Type the name of the key, “%(name)s”, to revoke it.") % {"name": key.name})
    ApiKey.objects.filter(pk=key.pk).update(revoked=True)
    log.info("api_key_revoked", prefix=key.prefix)


def ensure_storefront_key(home: Path) -> Path:
    """The file with the secret of a key that may read and write; a new one where it is gone, revoked or expired."""
    path = home / "secrets" / "storefront_api_key"
    if path.exists():
        secret = path.read_text().strip()
        key = ApiKey.objects.filter(prefix=secret.partition(".")[0], revoked=False).first()
        if key is not None and key.is_valid(secret) and not key.has_expired:
            return path
    _, secret = create(STOREFRONT, ApiKey.Scope.values)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, secret + "\n")
    return path
