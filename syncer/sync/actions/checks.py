"""What an action refuses by itself, without asking Salesforce."""

from __future__ import annotations

from syncer.salesforce.ids import is_salesforce_id
from syncer.sync.context import Context
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, contact_and_queue, deleted, outcome
from syncer.sync.persons.person_state import PersonState


def no_writing(context: Context) -> tuple[str, str] | None:
    """Why nothing may be written there, as a sentence and a code; None when it may."""
    if context.sending:
        return None
    return "The connection receives only, so nothing is made or changed in Salesforce.", Code.RECEIVE_ONLY


def before_asking(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    """The refusal of an action that can't be carried out for this person, whatever Salesforce says."""
    action = options.action
    if action is Action.REFRESH and not person.linked:
        return outcome(
            person,
            Result.REFUSED,
            "This person is not in Salesforce: there is nothing to refresh from.",
            Code.NOT_LINKED,
        )
    if action is Action.DELETE and not person.linked:
        return outcome(
            person, Result.REFUSED, "This person is not in Salesforce: there is nothing to delete.", Code.NOT_LINKED
        )
    if action in (Action.OWNER, Action.CAMPAIGN, Action.DELETE) and (no := no_writing(context)) is not None:
        return outcome(person, Result.REFUSED, *no)
    for what, chosen in (
        ("a user or queue", options.owner),
        ("a campaign", options.campaign),
        ("a record", options.link_to),
    ):
        if chosen and not is_salesforce_id(chosen):
            return outcome(person, Result.REFUSED, f"“{chosen}” is not the id of {what}.", "MALFORMED_ID")
    if action is Action.OWNER and not options.owner:
        return outcome(person, Result.REFUSED, "No owner was chosen.", Code.NO_OWNER)
    if action is Action.CAMPAIGN and not options.campaign:
        return outcome(person, Result.REFUSED, "No campaign was chosen.", Code.NO_CAMPAIGN)
    if person.linked and person.sfdc_is_deleted and action is Action.DELETE:
        return outcome(person, Result.UNCHANGED, f"{person.sfdc_type} {person.sfdc_id} is deleted already.")
    if person.linked and person.sfdc_is_deleted and action in (Action.OWNER, Action.CAMPAIGN):
        return deleted(person)
    if person.link and person.link.hidden_since and action in (Action.OWNER, Action.CAMPAIGN, Action.DELETE):
        message = f"{person.sfdc_type} {person.sfdc_id} is no longer visible to the sync user. Nothing was changed."
        return outcome(person, Result.REFUSED, message, Code.NOT_VISIBLE)
    if person.linked and person.sfdc_type == "Contact" and options.to_queue and not person.sfdc_is_deleted:
        return contact_and_queue(person, f"Contact {person.sfdc_id}")
    return None
