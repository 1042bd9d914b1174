"""The figures of the confidence page for programs: read only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import confidence, confidence_page
from catalog.confidence import LabelPrecision, Measured
from catalog.models import Taxonomy
from recsite.operations.errors import NotFoundError


class CurveBinOutput(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()
    right = serializers.IntegerField()
    confidence = serializers.FloatField(help_text="Mean of these suggestions.")
    accuracy = serializers.FloatField()
    interval = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)


class CoverageOutput(serializers.Serializer[Any]):
    share = serializers.FloatField(help_text="The surest share of the decided suggestions.")
    accuracy = serializers.FloatField()


class MeasuredOutput(serializers.Serializer[Any]):
    n = serializers.IntegerField(help_text="Decided by people.")
    right = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)
    confidence = serializers.FloatField(allow_null=True)
    calibration_error = serializers.FloatField(allow_null=True)
    brier = serializers.FloatField(allow_null=True)
    curve = CurveBinOutput(many=True)
    coverage = CoverageOutput(many=True)


class HistogramBarOutput(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()
    abstained = serializers.IntegerField()
    automatic = serializers.IntegerField()


class LabelPrecisionOutput(serializers.Serializer[Any]):
    label = serializers.CharField(help_text="Its path.")  # type: ignore[assignment]
    suggested = serializers.IntegerField()
    decided = serializers.IntegerField()
    right = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)
    often_really = serializers.CharField(allow_null=True, help_text="Path of its commonest correction.")
    often_really_times = serializers.IntegerField()


class AutoAcceptOutput(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["off", "gathering", "running", "stopped"])
    reason = serializers.CharField(allow_blank=True)
    wanted_precision = serializers.FloatField()
    threshold = serializers.FloatField()
    audit_share = serializers.FloatField()
    audits = serializers.IntegerField(help_text="Decided since it was switched on.")
    audits_right = serializers.IntegerField()
    audits_interval = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)
    audits_waiting = serializers.IntegerField()
    suggested_threshold = serializers.FloatField(allow_null=True)


class ConfidenceOutput(serializers.Serializer[Any]):
    taxonomy = serializers.SlugField()
    abstain_below = serializers.FloatField()
    suggested = serializers.IntegerField()
    abstained = serializers.IntegerField()
    automatic = serializers.IntegerField()
    audits = MeasuredOutput(help_text="Drawn at random above auto-accept's threshold.")
    queue = MeasuredOutput(help_text="Decided in the queue's order, the hard ones first: biased downwards.")
    note = serializers.CharField(allow_blank=True)
    histogram = HistogramBarOutput(many=True)
    labels = LabelPrecisionOutput(many=True)
    auto_accept = AutoAcceptOutput()


class TaxonomyConfidence(APIView):
    @extend_schema(
        summary="How right a taxonomy's suggestions are, and how honest their confidence",
        operation_id="taxonomies_confidence",
        responses=ConfidenceOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        taxonomy = Taxonomy.objects.filter(slug=slug).first()
        if taxonomy is None:
            raise NotFoundError(f"There is no taxonomy {slug!r}; GET /api/v1/taxonomies/ lists them.")
        rows = confidence.judged(taxonomy.pk)
        report = confidence.report(taxonomy, rows)
        panel = confidence_page.auto_accept_panel(taxonomy, rows)
        body = {
            "taxonomy": taxonomy.slug,
            "abstain_below": taxonomy.abstain_below,
            "suggested": report.suggested,
            "abstained": report.abstained,
            "automatic": report.automatic,
            "audits": _measured(report.audits),
            "queue": _measured(report.queue),
            "note": confidence_page.curve_note(report),
            "histogram": [asdict(bar) for bar in report.histogram],
            "labels": [_label(one) for one in confidence.label_precisions(taxonomy, rows)],
            "auto_accept": {
                "state": panel.setting.state,
                "reason": panel.setting.reason,
                "wanted_precision": panel.setting.wanted_precision,
                "threshold": panel.setting.threshold,
                "audit_share": panel.setting.audit_share,
                "audits": panel.evidence.n,
                "audits_right": panel.evidence.right,
                "audits_interval": panel.evidence.interval,
                "audits_waiting": panel.evidence.waiting,
                "suggested_threshold": panel.suggested.threshold,
            },
        }
        return Response(ConfidenceOutput(body).data)


def _measured(measured: Measured) -> dict[str, object]:
    return {
        **{name: getattr(measured, name) for name in ("n", "right", "accuracy", "interval", "confidence", "brier")},
        "calibration_error": measured.calibration_error,
        "curve": [{**asdict(one), "accuracy": one.accuracy} for one in measured.curve],
        "coverage": [{"share": share, "accuracy": accuracy} for share, accuracy in measured.coverage],
    }


def _label(one: LabelPrecision) -> dict[str, object]:
    return {
        "label": one.label.path,
        "suggested": one.suggested,
        "decided": one.decided,
        "right": one.right,
        "precision": one.precision,
        "interval": one.interval,
        "often_really": one.really.path if one.really else None,
        "often_really_times": one.really_times,
    }
