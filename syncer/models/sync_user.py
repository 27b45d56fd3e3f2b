"""The Salesforce login that the application works as, and what it last saw of the organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from syncer import secrets
from syncer.models import moments


class SyncMode(models.TextChoices):
    TWO_WAY = "two-way", "Two-way"
    RECEIVE_ONLY = "receive-only", "Receive only"


class Winner(models.TextChoices):
    """Whose value stays when both sides changed a field."""

    MARKETO = "marketo", "This database wins (Marketo's rule)"
    SALESFORCE = "salesforce", "Salesforce wins"


class SyncUserState(models.TextChoices):
    READY = "ready", "Ready"
    PAUSED = "paused", "Paused"  # by a person
    REFUSED = "refused", "Sign-in refused"  # by Salesforce: not tried again, so that the user is not locked
    LIMITED = "limited", "Out of API calls"  # until ``paused_until``


class SyncUser(models.Model):
    """A Salesforce login ("connection"). One is active at a time. Secrets are encrypted and never shown again."""

    name = models.CharField(max_length=80, unique=True)
    method = models.CharField("sign-in method", max_length=20)  # a name in syncer.salesforce.ways.WAYS
    login_url = models.CharField("My Domain URL", max_length=255)
    username = models.CharField("user name", max_length=120, blank=True)
    api_version = models.CharField("API version", max_length=5, default="62.0")
    encrypted_secrets = models.TextField(blank=True, editable=False)
    encrypted_session = models.TextField(blank=True, editable=False)
    is_active = models.BooleanField("active", default=True)
    mode = models.CharField(max_length=15, choices=SyncMode, default=SyncMode.TWO_WAY)

    organisation_id = models.CharField("organisation id", max_length=18, blank=True, editable=False)
    organisation_name = models.CharField("organisation", max_length=120, blank=True, editable=False)
    user_id = models.CharField("Salesforce user id", max_length=18, blank=True, editable=False)
    instance_url = models.CharField(max_length=255, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=SyncUserState, default=SyncUserState.READY, editable=False)
    state_reason = models.CharField(max_length=500, blank=True, editable=False)
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)

    # The organisation's Date of the last cycle, and the database's time then; and seconds by which one was ahead of the
    # other in so many cycles that contradict it (``connection.org_date``).
    date_told = models.DateTimeField(null=True, editable=False)
    date_told_at = models.DateTimeField(null=True, editable=False)
    date_doubted = models.FloatField(default=0, editable=False)
    date_doubts = models.PositiveSmallIntegerField(default=0, editable=False)

    lead_winner = models.CharField(
        "if both sides changed a lead", max_length=10, choices=Winner, default=Winner.MARKETO
    )
    contact_winner = models.CharField(
        "if both sides changed a contact", max_length=10, choices=Winner, default=Winner.MARKETO
    )
    external_id_field = models.CharField(
        "external id field",
        max_length=80,
        default="Person_Id__c",
        help_text="A unique external-id text field on Lead that holds the person's UUID: it makes a create happen at "
        "most once.",
    )
    default_last_name = models.CharField(max_length=80, blank=True)
    default_company = models.CharField(max_length=255, blank=True)
    create_leads = models.BooleanField(
        "create leads automatically",
        default=False,
        help_text="Each cycle runs Sync Person to SFDC for persons who were never in Salesforce.",
    )
    hold_refused_fields = models.BooleanField(
        "send the other fields, hold the refused one",
        default=False,
        help_text="When Salesforce refuses an update because of certain fields, the others are sent without them.",
    )
    save_warned_duplicates = models.BooleanField(
        "save although a duplicate rule warns",
        default=False,
        help_text="A duplicate rule that only warns people refuses programs, unless this is ticked.",
    )
    writes_stopped = models.BooleanField(
        "stop everything that writes to Salesforce",
        default=False,
        help_text="Nothing is sent, made, changed or deleted there, by nobody. Receiving goes on.",
    )
    cycle_share = models.PositiveSmallIntegerField(
        "cycles stop at",
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Percent of the organisation's daily API limit, used by all apps together.",
    )
    action_share = models.PositiveSmallIntegerField(
        "actions on persons stop at",
        default=95,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Percent of the organisation's daily API limit, used by all apps together.",
    )
    restored_at = models.DateTimeField(null=True, editable=False)  # the database went back: first, everything is read
    restored_why = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "Salesforce connection"
        permissions = [
            ("run_cycle", "Can start a cycle"),
            ("pause_sync", "Can pause and resume the sync"),
        ]
        constraints = [
            # "The active sync user" is one row.
            models.UniqueConstraint(
                fields=["is_active"], condition=models.Q(is_active=True), name="syncer_one_active_sync_user"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def secrets(self) -> dict[str, Any]:
        """The decrypted secrets. Raises ``syncer.secrets.SecretsUnreadable``."""
        return secrets.decrypt(self.encrypted_secrets)

    def set_secrets(self, values: dict[str, str]) -> None:
        """Replace the secrets; forgets the session that the old ones opened."""
        self.encrypted_secrets = secrets.encrypt({key: value for key, value in values.items() if value})
        self.encrypted_session = ""

    def winner_for(self, sobject: str) -> str:
        return self.contact_winner if sobject == "Contact" else self.lead_winner

    def limited_until(self, now: datetime) -> datetime | None:
        """When the sync goes on although the API calls were used up; None when that is now."""
        limited = self.state == SyncUserState.LIMITED and moments.is_ahead(self.paused_until, now, moments.LIMIT_PAUSE)
        return self.paused_until if limited else None

    def set_state(self, state: str, reason: str = "", until: Any = None) -> None:
        """Store a new state at once, for every process to see."""
        self.state, self.state_reason, self.paused_until = state, reason[:500], until
        self.state_since = timezone.now()
        self.save(update_fields=["state", "state_reason", "state_since", "paused_until"])


class SalesforceObject(models.Model):
    """What Salesforce last described of an object to the sync user: its fields and when that changed."""

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="described")
    name = models.CharField(max_length=40)
    description = models.JSONField(default=dict)
    last_modified = models.CharField("Last-Modified of the describe", max_length=60, blank=True)
    described_at = models.DateTimeField(default=timezone.now)
    records_a_call = models.PositiveIntegerField(
        "records at a time", null=True, help_text="So many are sent at once, because Salesforce refused more."
    )
    fields_a_query = models.PositiveIntegerField(
        "fields at a time", null=True, help_text="So many are asked for in one query, because Salesforce refused more."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync_user", "name"], name="syncer_salesforce_object_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class ApiUsage(models.Model):
    """The API-call ledger: calls that this application made, per hour, and the organisation's use as it was told."""

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="api_usage")
    hour = models.DateTimeField()
    calls = models.PositiveIntegerField(default=0)
    org_used = models.PositiveIntegerField(null=True)
    org_limit = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            # The upsert that adds to an hour; the dashboard's sum over 24 hours.
            models.UniqueConstraint(fields=["sync_user", "hour"], name="syncer_api_usage_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00}: {self.calls}"
