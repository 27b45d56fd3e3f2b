"""The bag ``options`` of a run becomes columns, and a row for each of its persons; what is stored is carried over."""

import django.db.models.deletion
from django.db import migrations, models

#: How an action on persons may be asked for, as it was stored until now: the fields of SyncOptions but the action.
ASKED = (
    "owner",
    "campaign",
    "member_status",
    "link_to",
    "create_anyway",
    "recreate_deleted",
    "lead_for_contact",
    "save_duplicate",
)
#: Columns of a person of a run that have the name that they had in a stored outcome.
TEXTS = ("message", "remedy", "sfdc_type", "sfdc_id")
#: Rows of one INSERT.
ROWS = 1000


def into_columns(apps, schema_editor):
    person_rows = apps.get_model("syncer", "RunPerson").objects
    for run in apps.get_model("syncer", "SyncRun").objects.order_by("pk").iterator(chunk_size=50):
        options = run.options if isinstance(run.options, dict) else {}
        if options.get("reconnect"):
            run.kind = "reconnect"
        run.sobjects = options.get("objects") or []
        run.full, run.unfinished = bool(options.get("full")), bool(options.get("unfinished"))
        if run.kind == "persons":
            outcomes = {outcome["person_id"]: outcome for outcome in options.get("outcomes") or []}
            ids = list(dict.fromkeys([*outcomes, *(options.get("left") or [])]))
            run.action = options.get("action") or "sync"
            run.asked = {name: options[name] for name in ASKED if name in options}
            run.asked_in_words = options.get("asked") or []
            # Persons that only the task knew, because no worker had taken it yet, have no rows.
            run.person_count = options.get("persons") or len(ids)
            rows = [_person(person_rows.model, run, at, pk, outcomes.get(pk, {})) for at, pk in enumerate(ids)]
            person_rows.bulk_create(rows, ROWS)
        run.save()


def _person(model, run, position, person_id, outcome):
    return model(
        run=run,
        person_id=person_id,
        position=position,
        name=str(outcome.get("name") or "")[:255],
        result=str(outcome.get("result") or ""),
        code=str(outcome.get("code") or "")[:80],
        sent=outcome.get("sent") or [],
        received=outcome.get("received") or [],
        **{name: str(outcome.get(name) or "") for name in TEXTS},
    )


def into_the_bag(apps, schema_editor):
    for run in apps.get_model("syncer", "SyncRun").objects.order_by("pk").iterator(chunk_size=50):
        if run.kind == "persons":
            rows = list(run.persons.order_by("position"))
            told = ("person_id", "name", "result", "code", "sent", "received", *TEXTS)
            run.options = {
                "persons": run.person_count,
                **run.asked,
                **({"asked": run.asked_in_words} if run.asked_in_words else {}),
                **({"action": run.action} if run.action != "sync" else {}),
                "left": [row.person_id for row in rows if not row.result],
                "outcomes": [{name: getattr(row, name) for name in told} for row in rows if row.result],
            }
        elif run.kind in ("reconnect", "fields"):
            run.options = {"reconnect": True} if run.kind == "reconnect" else {}
            run.kind = "preview"
        else:
            run.options = {
                "objects": run.sobjects,
                "full": run.full,
                **({"unfinished": True} if run.unfinished else {}),
            }
        run.save()


def forget_opt_outs(apps, schema_editor):
    """The model that is dropped leaves no permissions behind, which pages would offer."""
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="syncer", model="optout").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("syncer", "0003_claimed_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="RunPerson",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="persons",
                        to="syncer.syncrun",
                    ),
                ),
                (
                    "person_id",
                    models.BigIntegerField(
                        help_text="No foreign key: what became of somebody outlives the person."
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("name", models.CharField(blank=True, db_default="", max_length=255)),
                ("result", models.CharField(blank=True, db_default="", max_length=20)),
                ("message", models.TextField(blank=True, db_default="")),
                ("code", models.CharField(blank=True, db_default="", max_length=80, verbose_name="error code")),
                ("remedy", models.TextField(blank=True, db_default="")),
                ("sfdc_type", models.CharField(blank=True, db_default="", max_length=10, verbose_name="SFDC type")),
                ("sfdc_id", models.CharField(blank=True, db_default="", max_length=18, verbose_name="SFDC id")),
                ("sent", models.JSONField(blank=True, db_default=[], default=list)),
                ("received", models.JSONField(blank=True, db_default=[], default=list)),
            ],
            options={
                "verbose_name": "person of a run",
                "verbose_name_plural": "persons of a run",
                "indexes": [
                    models.Index(fields=["run", "result", "position"], name="syncer_run_person_result"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("run", "person_id"), name="syncer_run_person_unique"),
                ],
            },
        ),
        migrations.AddField("syncrun", "action", models.CharField(blank=True, default="", max_length=20)),
        migrations.AddField("syncrun", "asked", models.JSONField(blank=True, default=dict)),
        migrations.AddField("syncrun", "asked_in_words", models.JSONField(blank=True, default=list)),
        migrations.AddField(
            "syncrun", "claim", models.CharField(
                blank=True, default="", help_text="The worker that is at a run that was queued.", max_length=40
            ),
        ),
        migrations.AddField("syncrun", "full", models.BooleanField(default=False, verbose_name="re-check everything")),
        migrations.AddField("syncrun", "person_count", models.PositiveIntegerField(default=0, verbose_name="persons")),
        migrations.AddField("syncrun", "sobjects", models.JSONField(blank=True, default=list, verbose_name="objects")),
        migrations.AddField("syncrun", "unfinished", models.BooleanField(default=False)),
        migrations.AlterField(
            "syncrun",
            "kind",
            models.CharField(
                choices=[
                    ("cycle", "Cycle"),
                    ("persons", "Action on persons"),
                    ("preview", "Preview"),
                    ("reconnect", "Reconnect to a refreshed sandbox"),
                    ("fields", "Refresh field list"),
                ],
                default="cycle",
                max_length=10,
            ),
        ),
        migrations.RunPython(into_columns, into_the_bag),
        migrations.RemoveField("syncrun", "options"),
        migrations.RunPython(forget_opt_outs, migrations.RunPython.noop),
        migrations.DeleteModel("OptOut"),
    ]
