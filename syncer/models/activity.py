"""What happened to each person, append-only."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ActivityType(models.TextChoices):
    NEW_PERSON = "New Person", "New Person"
    CHANGE_DATA_VALUE = "Change Data Value", "Change Data Value"
    SYNC_PERSON = "Sync Person to SFDC", "Sync Person to SFDC"
    SYNC_UPDATES = "Sync Person Updates to SFDC", "Sync Person Updates to SFDC"
    LINK = "Link to Salesforce", "Link to Salesforce"
    CONFLICT = "Conflict", "Conflict"
    SYNC_FAILED = "Sync failed", "Sync failed"
    CONVERT_LEAD = "Convert Lead", "Convert Lead"
    MERGE_PEOPLE = "Merge People", "Merge People"
    DELETE_FROM_SFDC = "Delete from SFDC", "Delete from SFDC"
    DELETED_IN_SFDC = "Deleted in SFDC", "Deleted in SFDC"
    UNDELETED_IN_SFDC = "Undeleted in SFDC", "Undeleted in SFDC"
    CHANGE_OWNER = "Change Owner", "Change Owner"
    ADD_TO_CAMPAIGN = "Add to SFDC Campaign", "Add to SFDC Campaign"
    NO_LONGER_VISIBLE = "No longer visible in SFDC", "No longer visible in SFDC"
    VISIBLE_AGAIN = "Visible again in SFDC", "Visible again in SFDC"


class ActivityStatus(models.TextChoices):
    OK = "ok", "Done"
    FAILED = "failed", "Failed"


class ActivityLogEntry(models.Model):
    """One event of one person. It outlives the person, so there is no foreign key: the name is kept beside the id."""

    person_id = models.BigIntegerField("person id")
    person_name = models.CharField("person", max_length=255, blank=True)
    type = models.CharField(max_length=40, choices=ActivityType)
    at = models.DateTimeField("time", default=timezone.now)
    actor = models.CharField(max_length=150, blank=True, help_text="A user, the schedule, or the Salesforce user.")
    run = models.ForeignKey("syncer.SyncRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="entries")
    status = models.CharField(max_length=10, choices=ActivityStatus, default=ActivityStatus.OK)
    field = models.CharField(max_length=100, blank=True)
    code = models.CharField("error code", max_length=80, blank=True)
    summary = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "activity log entry"
        verbose_name_plural = "activity log"
        indexes = [
            # A person's timeline.
            models.Index(fields=["person_id", "-id"], name="syncer_activity_person"),
            # The log's filters: by type and by error code, newest first.
            models.Index(fields=["type", "-id"], name="syncer_activity_type"),
            models.Index(fields=["code", "-id"], condition=~models.Q(code=""), name="syncer_activity_code"),
            # Pruning by age.
            models.Index(fields=["at"], name="syncer_activity_at"),
        ]

    def __str__(self) -> str:
        return f"{self.type}: {self.summary}"


class Conflict(models.Model):
    """A field that both sides had changed: who won, and the value that lost, which can be restored."""

    person_id = models.BigIntegerField()
    person_name = models.CharField(max_length=255, blank=True)
    run = models.ForeignKey(
        "syncer.SyncRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="conflicts"
    )
    at = models.DateTimeField(default=timezone.now)
    field = models.CharField(max_length=100)
    base = models.JSONField(null=True)
    here = models.JSONField(null=True)
    there = models.JSONField("Salesforce", null=True)
    winner = models.CharField(max_length=10)
    reason = models.CharField(max_length=255, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # A person's conflicts; the inbox, newest first.
            models.Index(fields=["person_id", "-id"], name="syncer_conflict_person"),
            models.Index(fields=["-at"], name="syncer_conflict_at"),
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.person_name}: {self.winner} won"
