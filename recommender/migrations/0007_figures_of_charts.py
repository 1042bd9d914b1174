from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Counts by hour and findings for charts; two indexes, built while the site goes on."""

    atomic = False

    dependencies = [
        ("recommender", "0006_staff_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("computed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="HourlyFigure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("event", "Events, by type"),
                            ("users", "Users with an event on that UTC day"),
                            ("list", "Lists served, by strategy"),
                            ("list_time", "Lists served, by the time they took"),
                            ("funnel", "Events with an item of a list served shortly before, by type"),
                        ],
                        max_length=10,
                    ),
                ),
                ("hour", models.DateTimeField(help_text="When it begins.")),
                (
                    "key",
                    models.CharField(
                        blank=True, help_text="Event type, id of a strategy, step of time.", max_length=40
                    ),
                ),
                ("value", models.FloatField()),
            ],
        ),
        migrations.AddConstraint(
            model_name="hourlyfigure",
            constraint=models.UniqueConstraint(fields=("kind", "hour", "key"), name="hourly_figure_unique"),
        ),
        AddIndexConcurrently(
            model_name="slateitem",
            index=models.Index(fields=["slate", "item"], name="slate_item_places"),
        ),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(("type__in", ["purchase", "hide"])),
                fields=["user"],
                include=("item", "type", "occurred_at"),
                name="event_settles",
            ),
        ),
    ]
