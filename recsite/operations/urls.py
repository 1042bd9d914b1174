"""Addresses of the pages about the machinery, and of signing in and out."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from recsite.operations import change_views, key_views, saved_view_views, settings_views, staff_views, views

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("operations/jobs/", views.job_list, name="jobs"),
    path("operations/jobs/tray/", views.job_tray, name="job-tray"),
    path("operations/jobs/<int:pk>/", views.job_detail, name="job"),
    path("operations/jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("operations/jobs/<int:pk>/retry/", views.job_retry, name="job_retry"),
    path("changes/", change_views.change_list, name="changes"),
    path("changes/of/<slug:kind>/", change_views.changes_of, name="changes-of"),
    path("changes/<int:pk>/revert/", change_views.change_revert, name="change-revert"),
    path("settings/", settings_views.settings_page, name="settings"),
    path("settings/mine/", settings_views.preferences_change, name="preferences"),
    path("settings/site/", settings_views.site_settings_part, name="site-settings"),
    path("settings/site/<slug:key>/", settings_views.setting_change, name="setting"),
    path("settings/keys/", key_views.key_list, name="api-keys"),
    path("settings/keys/new/", key_views.key_new, name="api-key-new"),
    path("settings/keys/<str:prefix>/revoke/", key_views.key_revoke, name="api-key-revoke"),
    path("settings/staff/", staff_views.staff_list, name="staff"),
    path("settings/staff/new/", staff_views.staff_new, name="staff-new"),
    path("settings/staff/<int:pk>/role/", staff_views.staff_role, name="staff-role"),
    path("settings/staff/<int:pk>/active/", staff_views.staff_active, name="staff-active"),
    path("saved-views/", saved_view_views.saved_view_list, name="saved-views"),
    path("saved-views/new/", saved_view_views.saved_view_new, name="saved-view-new"),
    path("saved-views/<int:pk>/", saved_view_views.saved_view_change, name="saved-view"),
]
