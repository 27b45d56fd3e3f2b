"""What an action refuses by itself, without asking Salesforce: each check is a rule, each action lists those it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from syncer.salesforce.ids import is_salesforce_id
from syncer.sync.context import Context
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, deleted, not_visible, outcome
from syncer.sync.persons.person_state import PersonState

#: Return the refusal, or None.
Check = Callable[[Context, PersonState, SyncOptions], PersonOutcome | None]


def refused(
    checks: Sequence[Check], context: Context, persons: Iterable[PersonState], asked: Mapping[int, SyncOptions]
) -> dict[int, PersonOutcome]:
    """The first refusal of each person for whom the action can't be carried out, whatever Salesforce says."""
    found: dict[int, PersonOutcome] = {}
    for person in persons:
        refusals = (check(context, person, asked[person.id]) for check in checks)
        if (first := next((one for one in refusals if one is not None), None)) is not None:
            found[person.id] = first
    return found


def no_writing(context: Context) -> tuple[str, Code] | None:
    """Why nothing may be written there, as a sentence and a code; None when it may."""
    if context.may_send:
        return None
    return "The connection receives only, so nothing is made or changed in Salesforce.", Code.RECEIVE_ONLY


def writing(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    no = no_writing(context)
    return outcome(person, Result.REFUSED, *no) if no is not None else None


def linked_to(what: str) -> Check:
    """The person has a record; without one there is nothing ``what``: "to delete"."""

    def check(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
        if person.linked:
            return None
        message = f"This person is not in Salesforce: there is nothing {what}."
        return outcome(person, Result.REFUSED, message, Code.NOT_LINKED)

    return check


def well_formed_ids(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    for what, chosen in (
        ("a user or queue", options.owner),
        ("a campaign", options.campaign),
        ("a record", options.link_to),
    ):
        if chosen and not is_salesforce_id(chosen):
            return outcome(person, Result.REFUSED, f"“{chosen}” is not the id of {what}.", "MALFORMED_ID")
    return None


def not_deleted(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    return deleted(person) if person.linked and person.sfdc_is_deleted else None


def visible(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    return not_visible(person) if person.link and person.link.hidden_since else None
