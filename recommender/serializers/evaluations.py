"""Evaluations out of the API."""

from __future__ import annotations

from rest_framework import serializers

from recommender.models import Evaluation


class EvaluationOutputSerializer(serializers.ModelSerializer[Evaluation]):
    strategy = serializers.CharField(help_text="Name and version.")
    status = serializers.CharField(help_text="queued, running, succeeded, failed or cancelled.")
    error = serializers.CharField(allow_blank=True, help_text="Why it failed; empty where it did not.")
    is_kept = serializers.BooleanField(help_text="Staff chose to keep it.")
    max_users = serializers.IntegerField(source="parameters.users", help_text="So many users were to be drawn.")
    baselines = serializers.ListField(child=serializers.CharField(), source="parameters.baselines")
    job = serializers.IntegerField(source="job_id", allow_null=True)

    class Meta:
        model = Evaluation
        fields = [
            *("id", "strategy", "split_at", "status", "error", "is_kept", "max_users", "baselines"),
            *("job", "created_at", "finished_at"),
        ]
        read_only_fields = fields


class EvaluationWithReportSerializer(EvaluationOutputSerializer):
    report = serializers.DictField(help_text="As `manage.py evaluate` writes it; empty until it is finished.")

    class Meta(EvaluationOutputSerializer.Meta):
        fields = [*EvaluationOutputSerializer.Meta.fields, "report"]
        read_only_fields = fields
