"""Addresses of the pages about the machinery, and of signing in and out."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from recsite.operations import views

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("operations/jobs/", views.job_list, name="jobs"),
    path("operations/jobs/tray/", views.job_tray, name="job-tray"),
    path("operations/jobs/<int:pk>/", views.job_detail, name="job"),
    path("operations/jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("operations/jobs/<int:pk>/retry/", views.job_retry, name="job_retry"),
]
