from django.db import migrations, models


class Migration(migrations.Migration):
    """One more kind of neighbours; nothing changes in the database."""

    dependencies = [
        ("recommender", "0007_figures_of_charts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="neighbour",
            name="kind",
            field=models.CharField(
                choices=[
                    ("together", "Taken by the same users"),
                    ("next", "Taken right after"),
                    ("words", "Described in the same words"),
                    ("carried", "New, and like what the same users take"),
                ],
                db_default="together",
                max_length=8,
            ),
        ),
    ]
