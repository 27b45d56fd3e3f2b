"""The ways to sign in stand in the code alone (syncer/salesforce/ways.py): a further one needs no migration."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("syncer", "0004_runs_say_what_they_are"),
    ]

    operations = [
        migrations.AlterField(
            model_name="syncuser",
            name="method",
            field=models.CharField(max_length=20, verbose_name="sign-in method"),
        ),
    ]
