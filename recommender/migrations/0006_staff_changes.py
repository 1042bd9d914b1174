"""What people change of strategies, rules, golden expectations and experiments is written down."""

from __future__ import annotations

from django.db import migrations

from recsite.operations.tracking import track

BY_WHOM = ("created_by_id", "created_at", "published_by_id", "published_at")


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0005_rules_and_experiments"),
        ("operations", "0003_changes_and_staff_preferences"),
    ]

    operations = [
        track("recommender_strategy", "strategy", name=("name", "version"), left_out=BY_WHOM),
        track("recommender_rule", "rule", name=("name", "version"), left_out=(*BY_WHOM, "retired_by_id", "retired_at")),
        track(
            "recommender_goldenexpectation",
            "golden_expectation",
            name=("user_external_id",),
            left_out=("created_by_id", "created_at", "checked_at", "is_met", "finding"),
        ),
        track(
            "recommender_experiment",
            "experiment",
            left_out=("salt", "created_by_id", "created_at", "stopped_by_id"),
        ),
    ]
