from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("syncer", "0010_former_ids_by_record"),
    ]

    operations = [
        migrations.AddField(
            model_name="salesforceobject",
            name="fields_a_query",
            field=models.PositiveIntegerField(
                help_text="So many are asked for in one query, because Salesforce refused more.",
                null=True,
                verbose_name="fields at a time",
            ),
        ),
        migrations.AddField(
            model_name="fieldmapping",
            name="too_complicated",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="Switched off by a cycle, because Salesforce refuses to read the field, even alone.",
            ),
        ),
    ]
