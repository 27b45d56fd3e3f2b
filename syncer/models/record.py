"""What was last agreed with a record in Salesforce, what waits to be sent to it, and creates under way."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from syncer.models.person import Person

#: Links that a cycle has to look at again. The condition of an index: SQLite uses it where a query names it whole.
UNSETTLED = models.Q(undecided__isnull=False) | models.Q(weak_base=True)


class SalesforceRecord(models.Model):
    """The link of a person to a Lead or Contact.

    ``base`` holds the values that both sides last agreed on, canonical (``syncer.salesforce.values``), by person field;
    a field without a key has no base yet. ``weak_base`` is true after a conversion or a re-link, until the next merge.
    ``system_modstamp`` is the stamp of the state that was last merged, None when that is not known for certain;
    ``read_at`` the organisation's time when that state was asked for; without a stamp, the time up to which a change of
    the record is no news (it was ours, or was seen). ``read_sequence`` orders our reads and pushes:
    an older read is never merged over a newer one.

    ``undecided`` is the revision of the person at which a field of that state could not be decided: nothing may be sent
    now (then ``awaits_sending``), or the value here is none that Salesforce could take. An edit since, or sending that
    is allowed again, may decide it: the record is read once more, although its stamp is known.
    """

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="record")
    organisation = models.CharField(max_length=18)
    object = models.CharField(max_length=10)
    record_id = models.CharField("SFDC id", max_length=18)
    base = models.JSONField(default=dict)
    weak_base = models.BooleanField(default=False)
    system_modstamp = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    read_sequence = models.BigIntegerField(default=0)
    undecided = models.BigIntegerField(null=True)
    awaits_sending = models.BooleanField(default=False, db_default=False)
    merged_into = models.CharField(
        "merged into",
        max_length=18,
        blank=True,
        help_text="The surviving record, while no person here is linked to it.",
    )
    owner_id = models.CharField(max_length=18, blank=True)
    owner_name = models.CharField("owner", max_length=255, blank=True)  # of a user; a queue leaves both empty
    owner_email = models.CharField("owner's e-mail", max_length=255, blank=True, db_default="")
    account_id = models.CharField(max_length=18, blank=True, db_default="")
    hidden_since = models.DateTimeField(
        "no longer visible since",
        null=True,
        help_text="The sync user does not see the record any more, and nothing says that it was deleted.",
    )
    received_at = models.DateTimeField("last received", null=True)
    sent_at = models.DateTimeField("last sent", null=True)
    agreed_at = models.DateTimeField("last agreed", default=timezone.now)

    class Meta:
        verbose_name = "Salesforce record"
        constraints = [
            # One person per record; the look-up of the linked persons of a page of records.
            models.UniqueConstraint(fields=["organisation", "record_id"], name="syncer_record_unique"),
        ]
        indexes = [
            # A record that nobody here knows may be the survivor of a merge: the loser's person takes it over.
            models.Index(fields=["merged_into"], condition=~models.Q(merged_into=""), name="syncer_record_merged_into"),
            # Renaming an account or a user moves no stamp on the person's record.
            models.Index(fields=["account_id"], condition=~models.Q(account_id=""), name="syncer_record_account"),
            models.Index(fields=["owner_id"], condition=~models.Q(owner_id=""), name="syncer_record_owner"),
            # The filter "No longer visible".
            models.Index(
                fields=["hidden_since"], condition=models.Q(hidden_since__isnull=False), name="syncer_record_hidden"
            ),
            # Each cycle looks for those that can be decided now.
            models.Index(fields=["organisation", "object"], condition=UNSETTLED, name="syncer_record_undecided"),
        ]

    def __str__(self) -> str:
        return f"{self.object} {self.record_id}"


class PendingState(models.TextChoices):
    PENDING = "pending", "Waiting to send"
    FAILED = "failed", "Sync error"


class PendingChange(models.Model):
    """The outbox: one row per person that has something to send.

    A trigger on Person writes the row in the transaction of the edit and raises ``revision``; it is removed when
    everything up to that revision was agreed. Who is at a person right now stands elsewhere (``Claim``).
    """

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="pending")
    revision = models.BigIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=10, choices=PendingState, default="pending", db_default="pending")
    since = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    next_attempt = models.DateTimeField(null=True, blank=True)
    in_doubt = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Fields and values of an update whose answer has not come: it may have been carried out.",
    )
    held = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Fields and values that Salesforce refused and that are held while the others are sent.",
    )
    options = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="How a refused create was asked for (owner, campaign)."
    )
    error_code = models.CharField(max_length=80, default="", db_default="", blank=True)
    error_message = models.TextField(default="", db_default="", blank=True)
    error_detail = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        verbose_name = "waiting change"
        indexes = [
            # The push takes what is due, in the order of the persons.
            models.Index(
                fields=["person"],
                condition=models.Q(state="pending"),
                name="syncer_pending_due",
            ),
            # Failures grouped by reason, on the admin's list.
            models.Index(fields=["error_code"], condition=models.Q(state="failed"), name="syncer_pending_failed"),
            # The nightly retry of what was refused.
            models.Index(fields=["next_attempt"], condition=models.Q(state="failed"), name="syncer_pending_nightly"),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: person {self.person_id}"


class Claim(models.Model):
    """A person in the hands of one worker (``token``), so that no other one handles them; it ends by itself at
    ``until``, by the database's clock, when the worker has died.

    Only workers write this table, never a transaction in which somebody edits a person: so neither waits for the other.
    For the same reason the database does not check that the person is there.
    """

    person = models.OneToOneField(
        Person, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="claim"
    )
    token = models.CharField(max_length=40)
    until = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"person {self.person_id}: {self.token}"


class IntentState(models.TextChoices):
    OPEN = "open", "Being created"
    UNKNOWN = "unknown", "Outcome unknown"


class CreateIntent(models.Model):
    """Written before the call that creates a record, removed when its outcome is known: a create happens at most once.

    ``asked_at`` is the organisation's time before the call: a Lead made by the sync user since then may be ours.
    """

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="create_intent")
    object = models.CharField(max_length=10, default="Lead")
    state = models.CharField(max_length=10, choices=IntentState, default=IntentState.OPEN)
    asked_at = models.DateTimeField(null=True)
    claim = models.CharField(
        max_length=40, default="", db_default="", help_text="The worker that asks; another one may take over."
    )
    external_id = models.BooleanField("guaranteed by an external id", default=True)
    values_sent = models.JSONField(default=dict)
    options = models.JSONField(default=dict, blank=True, help_text="How the create was asked for (owner, campaign).")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.get_state_display()}: person {self.person_id}"


class SyncWriting(models.Model):
    """One row, SQLite only: set inside the transaction in which the sync writes values that both sides agree on.

    The trigger that fills the outbox reads it. PostgreSQL uses a setting of the transaction instead.
    """

    active = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return "writing" if self.active else "idle"
