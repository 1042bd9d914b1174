"""People decide about few of very many rows: an index of those, and statistics by which PostgreSQL knows that."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_staff_changes")]

    operations = [
        migrations.AddIndex(
            model_name="itemlabel",
            index=models.Index(
                fields=["taxonomy", "item"],
                condition=Q(superseded_at__isnull=True, is_automatic=False) & ~Q(decision=""),
                name="item_label_by_people",
            ),
        ),
        migrations.RunSQL(
            "CREATE STATISTICS item_label_decided (mcv) ON taxonomy_id, decision, is_automatic FROM catalog_itemlabel",
            "DROP STATISTICS item_label_decided",
        ),
    ]
