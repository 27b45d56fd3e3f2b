from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("syncer", "0007_odd_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="salesforceobject",
            name="records_a_call",
            field=models.PositiveIntegerField(
                help_text="So many are sent at once, because Salesforce refused more.",
                null=True,
                verbose_name="records at a time",
            ),
        ),
        migrations.AddField(
            model_name="createintent",
            name="claim",
            field=models.CharField(
                db_default="",
                default="",
                help_text="The worker that asks; another one may take over.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="formerid",
            name="read_sequence",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="tombstone",
            name="read_sequence",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
