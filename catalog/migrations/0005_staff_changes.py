"""What people change of items and taxonomies is written down."""

from __future__ import annotations

from django.db import migrations

from recsite.operations.tracking import track


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_item_stock_quantity"),
        ("operations", "0003_changes_and_staff_preferences"),
    ]

    operations = [
        track(
            "catalog_item",
            "item",
            name=("title",),
            left_out=("external_id", "text_hash", "search_vector", "created_at", "updated_at"),
        ),
        track("catalog_taxonomy", "taxonomy", left_out=("position",)),
        track("catalog_label", "label", name=("path",), left_out=("taxonomy_id", "position")),
        track("catalog_labelname", "label_name", key="label_id"),
        track(
            "catalog_autoaccept", "auto_accept", key="taxonomy_id", name=(), left_out=("changed_by_id", "changed_at")
        ),
    ]
