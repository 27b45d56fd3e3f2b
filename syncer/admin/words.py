"""Words for what the code and Salesforce call otherwise."""

from __future__ import annotations

from syncer.models import RunKind, SyncRun
from syncer.sync.fields import PERSON_COLUMNS

WINNERS = {"marketo": "This database", "salesforce": "Salesforce"}
PHASES = {
    "sign_in": "Sign in",
    "schema": "Refresh field list",
    "deletes": "Deleted and merged",
    "pull": "Received from Salesforce",
    "push": "Sent to Salesforce",
    "finish": "Finish",
}
TRIGGERS = {"schedule": "Schedule", "manual": "Sync now", "runsync": "Command runsync", "command": "Command runsync"}


def field_label(key: str) -> str:
    """A person's field as people read it: the column's name, or the custom field's own."""
    column = PERSON_COLUMNS.get(key)
    if column is None:
        return key
    label = str(column.verbose_name)
    return label[:1].upper() + label[1:]


def winner_label(winner: str) -> str:
    return WINNERS.get(winner, winner)


def phase_label(name: str) -> str:
    return PHASES.get(name, name.replace("_", " ").capitalize())


def trigger_label(trigger: str) -> str:
    return TRIGGERS.get(trigger, trigger or "–")


def run_title(run: SyncRun) -> str:
    """What the run did, in the words of the button that started it."""
    if run.kind == RunKind.PERSONS and run.options.get("receive_only"):
        return "Refresh from Salesforce"
    return run.get_kind_display()
