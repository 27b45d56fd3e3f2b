"""Words for what the code and Salesforce call otherwise."""

from __future__ import annotations

from syncer.models import RunKind, SyncRun
from syncer.sync.actions.registry import SPECS
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.options import Action

WINNERS = {"marketo": "This database", "salesforce": "Salesforce"}
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


def trigger_label(trigger: str) -> str:
    return TRIGGERS.get(trigger, trigger or "–")


def run_title(run: SyncRun) -> str:
    """What the run did, in the words of the button that started it."""
    if run.kind == RunKind.PERSONS:
        return SPECS[Action(run.action or Action.SYNC)].title
    return run.get_kind_display()
