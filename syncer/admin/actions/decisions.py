"""What only a person decides about a person: which record it is, or that a new lead is made all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from syncer.admin.actions.permissions import require
from syncer.admin.actions.run import carry_out_for_one
from syncer.admin.state import duplicates
from syncer.admin.state.person_state import pending_of
from syncer.models import PendingChange, PendingState, Person, SalesforceRecord, SyncUser
from syncer.salesforce.ids import is_salesforce_id, object_of, to_18
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Code

#: Refusals of a create that a record chosen by hand, or a lead made all the same, can settle.
ABOUT_RECORDS = frozenset(
    {
        "DUPLICATES_DETECTED",
        Code.AMBIGUOUS,
        Code.SEVERAL_MATCHES,
        Code.MATCH_IS_TAKEN,
        Code.HELD_UNSEEN,
        Code.CONTACT_AND_QUEUE,
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record in Salesforce that may be the person. ``person`` is somebody else who is linked to it."""

    id: str
    object: str
    name: str
    email: str
    company: str
    person: Person | None
    url: str

    @property
    def may_be_linked(self) -> bool:
        return self.person is None and self.object in OBJECTS

    @property
    def may_be_merged(self) -> bool:
        return self.person is not None and self.object in OBJECTS and not self.person.sfdc_is_deleted


@dataclass(frozen=True, slots=True)
class OpenDecision:
    """What can be decided now. ``create`` says why a new lead may be made all the same; empty where it may not.
    ``deleted``: the record was deleted in Salesforce; otherwise a create was refused."""

    candidates: tuple[Candidate, ...]
    create: str
    create_url: str
    link_url: str
    beside_url: str = ""
    deleted: bool = False


def decision(person: Person, sync_user: SyncUser | None) -> OpenDecision | None:
    """None when there is nothing to decide."""
    create_url = reverse("admin:syncer_person_create_anyway", args=[person.pk])
    link_url = reverse("admin:syncer_person_link", args=[person.pk])
    if person.sfdc_is_deleted:
        candidates = tuple(_candidates(person, {}, sync_user))
        return OpenDecision(candidates, _recreate(person), create_url, link_url, deleted=True)
    pending = _refused_create(person)
    if pending is None:
        return None
    detail = _detail(pending)
    candidates = tuple(_candidates(person, detail, sync_user))
    beside_url = ""
    if pending.error_code == Code.CONTACT_AND_QUEUE:
        beside_url = reverse("admin:syncer_person_choose", args=[person.pk, Action.SYNC]) + "?beside=1"
    return OpenDecision(candidates, _create_anyway(pending, detail), create_url, link_url, beside_url)


@require_POST
def link(request: HttpRequest, person_id: int) -> HttpResponse:
    """*This is the same person*: link, or merge with whom the record belongs to. Only what the page offers."""
    require(request, Action.SYNC)
    person = _person(person_id)
    record_id = request.POST.get("record", "")
    pending = _refused_create(person)
    waits = pending is not None or person.sfdc_is_deleted
    offered = _candidates(person, _detail(pending) if pending else {}, None) if waits else ()
    chosen = next((one for one in offered if one.id == record_id), None)
    if chosen is None or not (chosen.may_be_linked or chosen.may_be_merged):
        messages.error(request, "That record is not offered for this person (any more). Nothing was linked.")
        return HttpResponseRedirect(reverse("admin:syncer_person_change", args=[person.pk]))
    options = replace(_as_asked(pending), link_to=record_id, same_person=chosen.person is not None)
    answer = carry_out_for_one(request, person, options)
    if chosen.person is not None and not Person.objects.filter(pk=person.pk).exists():
        return HttpResponseRedirect(reverse("admin:syncer_person_change", args=[chosen.person.pk]))
    return answer


@require_POST
def create_anyway(request: HttpRequest, person_id: int) -> HttpResponse:
    """*Create a new lead*: although there are similar records, or in place of one that was deleted."""
    require(request, Action.SYNC)
    person = _person(person_id)
    if person.sfdc_is_deleted:
        return carry_out_for_one(request, person, SyncOptions(recreate_deleted=True))
    pending = _refused_create(person)
    if pending is None or not _create_anyway(pending, _detail(pending)):
        messages.error(request, "There is nothing to decide for this person (any more). Nothing was made.")
        return HttpResponseRedirect(reverse("admin:syncer_person_change", args=[person.pk]))
    warned = pending.error_code == "DUPLICATES_DETECTED"
    options = replace(_as_asked(pending), create_anyway=True)
    return carry_out_for_one(request, person, replace(options, save_duplicate=warned or options.save_duplicate))


def _person(person_id: int) -> Person:
    return get_object_or_404(Person.objects.select_related("pending", "record"), pk=person_id)


def _refused_create(person: Person) -> PendingChange | None:
    """The outbox row of a person whose create waits for a decision."""
    pending = pending_of(person)
    if person.sfdc_type or pending is None or pending.state != PendingState.FAILED:
        return None
    return pending if pending.error_code in ABOUT_RECORDS else None


def _detail(pending: PendingChange) -> Mapping[str, Any]:
    return pending.error_detail if isinstance(pending.error_detail, dict) else {}


def _as_asked(pending: PendingChange | None) -> SyncOptions:
    """The owner and campaign that the refused create was asked for with."""
    return SyncOptions.from_dict(pending.options if pending is not None else {})


def _candidates(person: Person, detail: Mapping[str, Any], sync_user: SyncUser | None) -> Iterable[Candidate]:
    """The records that were found, and those of other persons with the same address, with who is linked to each of
    them now."""
    stored = _stored_candidates(detail) | {
        twin.sfdc_id: {"name": str(twin), "email": twin.email, "company": twin.company}
        for twin in duplicates.others(person)
        if twin.sfdc_type and not twin.sfdc_is_deleted
    }
    linked = SalesforceRecord.objects.filter(record_id__in=list(stored)).exclude(person=person).select_related("person")
    owners = {record.record_id: record.person for record in linked}
    base = sync_user.instance_url.rstrip("/") if sync_user and sync_user.instance_url else ""
    for record_id, row in stored.items():
        yield Candidate(
            id=record_id,
            object=object_of(record_id) or str(row.get("object") or "Record"),
            name=str(row.get("name") or ""),
            email=str(row.get("email") or ""),
            company=str(row.get("company") or ""),
            person=owners.get(record_id),
            url=f"{base}/{record_id}" if base else "",
        )


def _stored_candidates(detail: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the refusal tells of the records that were found, by id; of some only the id."""
    rows = [one for one in detail.get("candidates") or () if isinstance(one, dict)]
    known = {to_18(str(row["id"])): row for row in rows if is_salesforce_id(row.get("id"))}
    named = [to_18(one) for one in detail.get("duplicates") or () if is_salesforce_id(one)]
    return known | {record_id: {} for record_id in named if record_id not in known}


def _create_anyway(pending: PendingChange, detail: Mapping[str, Any]) -> str:
    """Why a lead may be made all the same; empty where Salesforce would refuse it anyhow."""
    if pending.error_code == "DUPLICATES_DETECTED":
        if detail.get("warn_only"):
            return "The duplicate rule only warns: the lead is saved all the same."
        # A refused row of a collection says neither which records there are nor whether the rule only warns.
        return (
            ""
            if detail.get("duplicates")
            else "A rule that only warns lets the lead through; one that blocks does not."
        )
    if pending.error_code == Code.CONTACT_AND_QUEUE:
        return ""
    if pending.error_code == Code.AMBIGUOUS:
        return "None of them is this person: a new lead is made, one more record with this address."
    if pending.error_code == Code.HELD_UNSEEN:
        return "The hidden record stays as it is: there will be one more for this person."
    return "None of them is this person: there will be one more record with this address."


def _recreate(person: Person) -> str:
    return f"A new lead can be made for this person. {person.sfdc_type} {person.sfdc_id} stays deleted."
