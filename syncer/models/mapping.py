"""Which Salesforce field a person's field is kept in step with, and how."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from syncer.models.sync_user import SyncUser, Winner


class Direction(models.TextChoices):
    TWO_WAY = "two-way", "Two-way"
    RECEIVE = "receive", "Salesforce → here only"
    SEND = "send", "Here → Salesforce only"


class FieldMapping(models.Model):
    """One Salesforce field of one object ↔ one field of the person.

    ``person_field`` is a column of Person (``first_name``) or the key of a custom field (``Region__c``).
    ``readable``, ``createable`` and ``updateable`` are the sync user's access at the last describe. ``described``
    keeps that describe of the field. A mapping whose field disappeared stays, hidden, and touches nothing.
    """

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="mappings")
    object = models.CharField(max_length=10, choices=[("Lead", "Lead"), ("Contact", "Contact")])
    salesforce_field = models.CharField("Salesforce field", max_length=80)
    person_field = models.CharField("person field", max_length=100)
    label = models.CharField(max_length=255, blank=True)
    direction = models.CharField(max_length=10, choices=Direction, default=Direction.TWO_WAY)
    winner = models.CharField(
        "if both sides changed", max_length=10, choices=Winner, blank=True, help_text="Empty: as set for the object."
    )
    keep_filled = models.BooleanField(
        "block updates to a filled field",
        default=False,
        help_text="Salesforce does not change a value that the person already has.",
    )
    enabled = models.BooleanField(default=True)
    automatic = models.BooleanField("mapped automatically", default=False, editable=False)
    readable = models.BooleanField("may see", default=True, editable=False)
    createable = models.BooleanField("may create", default=False, editable=False)
    updateable = models.BooleanField("may edit", default=False, editable=False)
    described = models.JSONField(default=dict, editable=False)
    filled = models.BooleanField(
        "received for all records",
        default=False,
        editable=False,
        help_text="Otherwise the next cycle fills the field in for every record.",
    )
    problem = models.CharField(max_length=255, blank=True, editable=False)
    too_complicated = models.BooleanField(
        default=False,
        editable=False,
        help_text="Switched off by a cycle, because Salesforce refuses to read the field, even alone.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "field mapping"
        ordering = ["object", "salesforce_field"]
        constraints = [
            models.UniqueConstraint(
                fields=["sync_user", "object", "salesforce_field"], name="syncer_mapping_salesforce_unique"
            ),
            # Two Salesforce fields of one object can't both be the value of one field here.
            models.UniqueConstraint(
                fields=["sync_user", "object", "person_field"], name="syncer_mapping_person_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object}.{self.salesforce_field} ↔ {self.person_field}"


class Backfill(models.Model):
    """A reading of all records for fields that became visible or mapped; ``position`` resumes it after a crash."""

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="backfills")
    object = models.CharField(max_length=10)
    fields = models.JSONField("Salesforce fields", default=list)
    position = models.CharField("last record id done", max_length=18, blank=True)
    records = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # One open backfill per object: a field that appears meanwhile gets the next one.
            models.UniqueConstraint(
                fields=["sync_user", "object"],
                condition=models.Q(finished_at__isnull=True),
                name="syncer_one_open_backfill",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object}: {', '.join(self.fields)}"
