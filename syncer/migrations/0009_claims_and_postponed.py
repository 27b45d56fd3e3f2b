"""Claims, and records to be read again, are rows of tables of their own. Rows of the outbox that only carried a claim
go; what waits, is in doubt or was refused stays."""

from typing import Any

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


def keep_what_waits(apps: Any, schema_editor: Any) -> None:
    pending = apps.get_model("syncer", "PendingChange").objects.using(schema_editor.connection.alias)
    claimed = pending.exclude(claim="") | pending.filter(state="in_flight")
    claimed.filter(revision=0, error_code="", in_doubt={}).delete()
    pending.filter(state="in_flight").update(state="pending")


def into_rows(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    rows = apps.get_model("syncer", "PostponedRecord")
    for cursor in apps.get_model("syncer", "SyncCursor").objects.using(alias).all():
        rows.objects.using(alias).bulk_create(
            [
                rows(sync_user_id=cursor.sync_user_id, object=cursor.object, record_id=record_id)
                for record_id in dict.fromkeys(cursor.postponed)
            ],
            batch_size=1000,
        )


def into_the_list(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    rows = apps.get_model("syncer", "PostponedRecord").objects.using(alias).order_by("pk")
    for cursor in apps.get_model("syncer", "SyncCursor").objects.using(alias).all():
        mine = rows.filter(sync_user_id=cursor.sync_user_id, object=cursor.object)
        cursor.postponed = list(mine.values_list("record_id", flat=True))
        cursor.save(update_fields=["postponed"])


class Migration(migrations.Migration):

    dependencies = [
        ("syncer", "0008_portions_and_places"),
    ]

    operations = [
        migrations.RunPython(keep_what_waits, migrations.RunPython.noop),
        migrations.RemoveIndex("pendingchange", "syncer_pending_claimed"),
        migrations.RemoveField("pendingchange", "claim"),
        migrations.RemoveField("pendingchange", "claimed_until"),
        migrations.AlterField(
            "pendingchange",
            "state",
            models.CharField(
                choices=[("pending", "Waiting to send"), ("failed", "Sync error")],
                db_default="pending", default="pending", max_length=10,
            ),
        ),
        migrations.CreateModel(
            "Claim",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True,
                        related_name="claim", serialize=False, to="syncer.person",
                    ),
                ),
                ("token", models.CharField(max_length=40)),
                ("until", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            "PostponedRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("object", models.CharField(max_length=40)),
                ("record_id", models.CharField(max_length=18, verbose_name="SFDC id")),
                ("sequence", models.BigIntegerField(default=0)),
                (
                    "sync_user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="postponed_records",
                        to="syncer.syncuser",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sync_user", "object", "record_id"), name="syncer_postponed_unique"
                    )
                ],
            },
        ),
        migrations.RunPython(into_rows, into_the_list),
        migrations.RemoveField("synccursor", "postponed"),
    ]
