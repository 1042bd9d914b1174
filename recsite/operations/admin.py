"""Operations in the admin: jobs, API keys, staff and their roles."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext
from rest_framework_api_key.admin import APIKey as PackagedApiKey
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from recsite.operations import jobs
from recsite.operations.errors import ConflictError
from recsite.operations.model_admin import PageAdmin, ReadOnlyAdmin, chip, meter, number, readable_json, when
from recsite.operations.models import ApiKey, Job
from recsite.operations.stored_words import shown

admin.site.unregister([User, Group, PackagedApiKey])

STATUS_CHIPS = {
    Job.Status.QUEUED: "quiet",
    Job.Status.RUNNING: "warn",
    Job.Status.SUCCEEDED: "good",
    Job.Status.FAILED: "bad",
    Job.Status.CANCELLED: "quiet",
}


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        "shown_title",
        "shown_status",
        "progress",
        "rejected_rows",
        "message",
        "shown_created",
        "started_by",
    )
    list_filter = ("status", "kind")
    list_select_related = ("started_by",)
    search_fields = ("title", "kind")
    ordering = ("-created_at", "-id")
    actions = ("cancel_jobs", "retry_jobs")
    exclude = ("details", "parameters")
    readonly_fields = ("shown_parameters", "shown_details")

    @display(description="Job", ordering="title")
    def shown_title(self, job: Job) -> SafeString:
        two_lines = '<span class="rs-title">{}</span><br><span class="rs-sub">{}</span>'
        return format_html(two_lines, shown(job.title), job.kind)

    @display(description="Status", ordering="status")
    def shown_status(self, job: Job) -> SafeString:
        return chip(job.get_status_display(), STATUS_CHIPS[Job.Status(job.status)])

    @display(description="Progress")
    def progress(self, job: Job) -> SafeString | str:
        share = job.share_done
        return (
            (f"{job.done:,}" if job.done else "–")
            if share is None
            else format_html("{} ({} of {})", meter(share), f"{job.done:,}", f"{job.total:,}")
        )

    @display(description="Rejected", ordering="rejected")
    def rejected_rows(self, job: Job) -> SafeString:
        return number(f"{job.rejected:,}")

    @display(description="Queued", ordering="created_at")
    def shown_created(self, job: Job) -> SafeString:
        return when(job.created_at)

    @display(description="Parameters")
    def shown_parameters(self, job: Job) -> SafeString:
        return readable_json({name: value for name, value in job.parameters.items() if not name.startswith("_")})

    @display(description="Details")
    def shown_details(self, job: Job) -> SafeString:
        return readable_json(job.details)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("operations.change_job"))

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        n = self._each(request, queryset, jobs.cancel)
        if n:
            said = ngettext("%(n)s job will stop.", "%(n)s jobs will stop.", n)
            self.message_user(request, said % {"n": n}, messages.SUCCESS)

    @admin.action(description="Retry", permissions=["operate"])
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        n = self._each(request, queryset, jobs.run_again)
        if n:
            said = ngettext("%(n)s job queued again.", "%(n)s jobs queued again.", n)
            self.message_user(request, said % {"n": n}, messages.SUCCESS)

    def _each(self, request: HttpRequest, queryset: QuerySet[Job], act: Any) -> int:
        """How many it was done to."""
        changed = 0
        for job in queryset:
            try:
                act(job)
                changed += 1
            except ConflictError as error:
                self.message_user(request, error.message, messages.WARNING)
        return changed


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[ApiKey.Scope.READ],
        help_text="What the holder may do. A storefront that shows lists and reports events needs both.",
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "expiry_date"]


@admin.register(ApiKey)
class ApiKeyAdmin(PageAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix", "shown_scopes", "state", "shown_used", "shown_created")
    list_filter = ("revoked",)
    search_fields = ("name", "=prefix")
    ordering = ("-created", "id")
    actions = ("revoke",)

    @display(description="Scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or "none"

    @display(description="Last used", ordering="last_used_at")
    def shown_used(self, key: ApiKey) -> SafeString:
        return when(key.last_used_at)

    @display(description="Made", ordering="created")
    def shown_created(self, key: ApiKey) -> SafeString:
        return when(key.created)

    @display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked:
            return chip("Revoked", "bad")
        if key.expiry_date is not None and key.expiry_date < timezone.now():
            return chip("Expired", "warn")
        return chip("Active", "good")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return () if obj is None else ("prefix", "created", "last_used_at")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        fields = ("name", "scopes", "expiry_date")
        return fields if obj is None else (*fields, "revoked", "prefix", "created", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name", "scopes", "expiry_date", "revoked"])
            return
        secret = ApiKey.objects.assign_key(obj)
        obj.save()
        # Only this request knows it: the database keeps a hash, and a message would keep it in a cookie.
        request.api_key_secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "API key made",
            "opts": self.opts,
            "key": obj,
            "secret": request.api_key_secret,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "admin/operations/apikey/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = queryset.filter(revoked=False).update(revoked=True)
        said = ngettext(
            "%(n)s revoked; calls with it are refused from now on.",
            "%(n)s revoked; calls with them are refused from now on.",
            revoked,
        )
        self.message_user(request, said % {"n": revoked}, messages.SUCCESS)


@admin.register(User)
class StaffAdmin(UserAdmin, PageAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "shown_role", "shown_active", "shown_login")
    list_filter = ("is_active", "is_superuser", "groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return cast("QuerySet[User]", super().get_queryset(request).prefetch_related("groups"))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever could change a superuser's account, or make one, would be one."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        own = tuple(super().get_readonly_fields(request, obj))
        return own if request.user.is_superuser else (*own, "is_superuser", "user_permissions")

    @display(description="Role")
    def shown_role(self, user: User) -> str:
        if user.is_superuser:
            return "May do everything"
        return ", ".join(group.name for group in user.groups.all()) or "No role"

    @display(description="Signed in", ordering="last_login")
    def shown_login(self, user: User) -> SafeString:
        return when(user.last_login)

    @display(description="Active", boolean=True, ordering="is_active")
    def shown_active(self, user: User) -> bool:
        return user.is_active


@admin.register(Group)
class RoleAdmin(GroupAdmin, PageAdmin):
    list_display = ("name",)
