"""Changes of settings, API keys, staff and roles: where they are shown, and how they are taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from recsite.operations import roles, site_settings, staff_accounts, tracked
from recsite.operations.changes import restore_fields
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import ApiKey, Change, Setting

GIVEN_OR_TAKEN: Mapping[str, tracked.Words] = {
    Change.Act.CREATED: gettext_lazy("Given"),
    Change.Act.DELETED: gettext_lazy("Taken away"),
}


def restore_setting(row: Setting | None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """Created: back to the default. Deleted: back to the value. Both only where nobody changed it since."""
    now = Setting.objects.filter(key=change.object_id).first()
    was = change.after.get("value") if change.act == Change.Act.CREATED else None
    if (now.value if now else None) != was and change.act != Change.Act.CHANGED:
        raise ConflictError(
            gettext("“%(name)s” was changed since; set it on the page of settings.")
            % {"name": site_settings.definition_of(change.object_id).name}
        )
    if change.act == Change.Act.CREATED:
        site_settings.reset(change.object_id, staff=staff)
    else:
        site_settings.change(change.object_id, values["value"], staff=staff)


def why_key_stays(change: Change, key: ApiKey | None) -> tracked.Words:
    was_revoked = change.act == Change.Act.CHANGED and change.before.get("revoked") is False
    return gettext_lazy("A revoked key stays revoked; make a new one.") if was_revoked else ""


def restore_key(key: ApiKey, change: Change, values: Mapping[str, Any], staff: User) -> None:
    ApiKey.objects.filter(pk=key.pk).update(**_typed(values))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    by_column = {field.column: field for field in ApiKey._meta.concrete_fields}
    return {by_column[column].attname: by_column[column].to_python(value) for column, value in values.items()}


def restore_staff(account: User, change: Change, values: Mapping[str, Any], staff: User) -> None:
    if "is_superuser" in values or "is_staff" in values:
        raise ConflictError(gettext("This is changed under Administration, by a superuser."))
    if "is_active" in values:
        staff_accounts.set_active(account, is_active=values["is_active"], staff=staff)
    others = {name: value for name, value in values.items() if name != "is_active"}
    if others:
        restore_fields(account, change, others, staff)


def restore_role(row: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """A role given is taken away, one taken away is given, by the rules of the page of staff."""
    account = User.objects.filter(pk=change.object_id).first()
    was_given = change.act == Change.Act.CREATED
    group = Group.objects.filter(pk=(change.after if was_given else change.before).get("group_id")).first()
    if account is None or group is None:
        raise ConflictError(gettext("The account or the role was deleted; there is nothing to set back."))
    has_it = account.groups.filter(pk=group.pk).exists()
    if has_it != was_given:
        raise ConflictError(gettext("The role was changed since; set it on the page of staff."))
    if group.name in roles.ROLES:
        before = Change.objects.filter(batch=change.batch, kind=change.kind, object_id=change.object_id)
        taken = before.filter(act=Change.Act.DELETED).values_list("before__group_id", flat=True)
        given_back = Group.objects.filter(pk__in=list(taken), name__in=roles.ROLES).first() if was_given else group
        staff_accounts.set_role(account, given_back.name if given_back else "", staff=staff)
    elif was_given:
        account.groups.remove(group)
    else:
        account.groups.add(group)


def _setting_name(key: str) -> str:
    try:
        return str(site_settings.definition_of(key).name)
    except InvalidInputError:  # of an app that is gone
        return key


def _to_staff(row: Any) -> str:
    return reverse("staff")


def register() -> None:
    in_administration = gettext_lazy("This is changed under Administration.")
    tracked.register(
        tracked.Kind(
            name="setting",
            words=gettext_lazy("Setting"),
            model=Setting,
            permission="operations.change_setting",
            key="key",
            address=lambda row: f"{reverse('settings')}#setting-{row.key}",
            restore=restore_setting,
            remove=restore_setting,
            recreate=restore_setting,
            judges_itself=True,
            called=_setting_name,
            act_words={
                Change.Act.CREATED: gettext_lazy("Set"),
                Change.Act.DELETED: gettext_lazy("Back to its default"),
            },
        ),
        tracked.Kind(
            name="api_key",
            words=gettext_lazy("API key"),
            model=ApiKey,
            permission="operations.change_apikey",
            key="prefix",
            address=lambda key: reverse("api-keys"),
            restore=restore_key,
            instead=gettext_lazy("A new key is revoked on the page of API keys, for good; a deleted one is made anew."),
            stays=why_key_stays,
        ),
        tracked.Kind(
            name="staff",
            words=gettext_lazy("Staff"),
            model=User,
            permission="auth.change_user",
            address=_to_staff,
            restore=restore_staff,
            instead=gettext_lazy("An account is deactivated on the page of staff; a deleted one is made anew."),
        ),
        tracked.Kind(
            name="staff_role",
            words=gettext_lazy("Role of staff"),
            model=User,
            permission="auth.change_user",
            address=_to_staff,
            fields={"group_id": gettext_lazy("Role")},
            references={"group_id": Group},
            remove=restore_role,
            recreate=restore_role,
            judges_itself=True,
            act_words=GIVEN_OR_TAKEN,
            part_of="staff",
        ),
        tracked.Kind(
            name="staff_permission",
            words=gettext_lazy("Permission of staff"),
            model=User,
            permission="auth.change_user",
            address=_to_staff,
            fields={"permission_id": gettext_lazy("Permission")},
            act_words=GIVEN_OR_TAKEN,
            references={"permission_id": Permission},
            instead=in_administration,
            part_of="staff",
        ),
        tracked.Kind(
            name="role",
            words=gettext_lazy("Role"),
            model=Group,
            permission="auth.change_group",
            instead=in_administration,
        ),
        tracked.Kind(
            name="role_permission",
            words=gettext_lazy("Permission of a role"),
            model=Group,
            permission="auth.change_group",
            fields={"permission_id": gettext_lazy("Permission")},
            act_words=GIVEN_OR_TAKEN,
            references={"permission_id": Permission},
            instead=in_administration,
            part_of="role",
        ),
    )
