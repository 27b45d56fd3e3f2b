"""The traces of cycles, and what cycles share: the lease, the cursors, the sequence of reads."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from syncer.models.sync_user import SyncUser


class RunStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Could not complete"
    INTERRUPTED = "interrupted", "Interrupted"


class RunKind(models.TextChoices):
    """*Test connection* leaves no run: it changes nothing, and its page shows at once what it found."""

    CYCLE = "cycle", "Cycle"
    PERSONS = "persons", "Action on persons"
    PREVIEW = "preview", "Preview"
    RECONNECT = "reconnect", "Reconnect to a refreshed sandbox"
    FIELD_LIST = "fields", "Refresh field list"


class SyncRun(models.Model):
    """One cycle, or one thing that somebody asked for: phases, counters, API calls, and the error that ended it.

    ``counters`` is ``{"received": {"created", "updated", "unchanged", "failed"}, "sent": {…}}``; ``phases`` a list of
    ``{"name", "started", "finished", "done", "total"}`` in order.

    An action on persons (``syncer.sync.options``): ``action`` which one, ``asked`` the other options that differ from
    the usual ones, ``asked_in_words`` the same as somebody chose it on a page, ``[[name, value], …]``; the persons are
    rows (``RunPerson``), ``person_count`` of them. A cycle: ``sobjects`` which it takes, ``full`` whether it compares
    everything, ``unfinished`` that it was out of time and the next one goes on.
    """

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=10, choices=RunKind, default=RunKind.CYCLE)
    action = models.CharField(max_length=20, blank=True, default="")
    asked = models.JSONField(default=dict, blank=True)
    asked_in_words = models.JSONField(default=list, blank=True)
    person_count = models.PositiveIntegerField("persons", default=0)
    sobjects = models.JSONField("objects", default=list, blank=True)
    full = models.BooleanField("re-check everything", default=False)
    unfinished = models.BooleanField(default=False)
    trigger = models.CharField("started by", max_length=150, blank=True)
    status = models.CharField(max_length=12, choices=RunStatus, default=RunStatus.RUNNING)
    started_at = models.DateTimeField("started", default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True, blank=True)
    claim = models.CharField(
        max_length=40, blank=True, default="", help_text="The worker that is at a run that was queued."
    )
    phase = models.CharField(max_length=40, blank=True)
    phases = models.JSONField(default=list, blank=True)
    counters = models.JSONField(default=dict, blank=True)
    conflict_count = models.PositiveIntegerField("overwritten", default=0)
    api_calls = models.PositiveIntegerField("API calls", default=0)
    notes = models.JSONField(
        default=list, blank=True, help_text="What is worth knowing about the run, one sentence each."
    )
    error_code = models.CharField(max_length=80, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-id"]
        indexes = [
            # The last cycle, the running cycle.
            models.Index(fields=["kind", "-id"], name="syncer_run_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class RunPerson(models.Model):
    """A person of an action's run: stored with the run, before anything is queued; then what became of it.

    ``result`` is empty while the person waits, then the word that pages show (``syncer.sync.outcomes.Result``).
    """

    # The constraint below begins with the run: no index of its own.
    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="persons", db_index=False)
    person_id = models.BigIntegerField(help_text="No foreign key: what became of somebody outlives the person.")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=255, blank=True, db_default="")
    result = models.CharField(max_length=20, blank=True, db_default="")
    message = models.TextField(blank=True, db_default="")
    code = models.CharField("error code", max_length=80, blank=True, db_default="")
    remedy = models.TextField(blank=True, db_default="")
    sfdc_type = models.CharField("SFDC type", max_length=10, blank=True, db_default="")
    sfdc_id = models.CharField("SFDC id", max_length=18, blank=True, db_default="")
    sent = models.JSONField(default=list, blank=True, db_default=[])
    received = models.JSONField(default=list, blank=True, db_default=[])

    class Meta:
        verbose_name = "person of a run"
        verbose_name_plural = "persons of a run"
        constraints = [
            # Each person once; also the update of a batch by its persons.
            models.UniqueConstraint(fields=["run", "person_id"], name="syncer_run_person_unique"),
        ]
        indexes = [
            # The next persons who wait (result ""), in order; how many have which result, for the run's pages.
            models.Index(fields=["run", "result", "position"], name="syncer_run_person_result"),
        ]

    def __str__(self) -> str:
        return self.name or f"Person {self.person_id}"


class SyncLease(models.Model):
    """One cycle at a time: who holds the newest ``token`` may write until ``expires_at``, by the database's clock."""

    sync_user = models.OneToOneField(SyncUser, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    token = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=150, blank=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.holder or "free"


class SyncCursor(models.Model):
    """How far an object was read. ``read_to`` is the organisation's time at the start of the last completed read.

    Inside a read, ``reading_since`` is that read's start and (``resume_stamp``, ``resume_id``) the last row applied.
    """

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="cursors")
    object = models.CharField(max_length=40)
    read_to = models.DateTimeField(null=True)
    reading_since = models.DateTimeField(null=True)
    resume_stamp = models.DateTimeField(null=True)
    resume_id = models.CharField(max_length=18, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync_user", "object"], name="syncer_cursor_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.object} to {self.read_to}"


class PostponedRecord(models.Model):
    """A record that could not be merged in its turn, because its person was busy or a newer request had read it: it is
    read again, by a request with a higher number than ``sequence``."""

    sync_user = models.ForeignKey(SyncUser, on_delete=models.CASCADE, related_name="postponed_records")
    object = models.CharField(max_length=40)
    record_id = models.CharField("SFDC id", max_length=18)
    sequence = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync_user", "object", "record_id"], name="syncer_postponed_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.object} {self.record_id}"


class Heartbeat(models.Model):
    """When the background worker last did something: a task of every minute writes it.

    Silence means that the scheduler, the broker, the worker or the database stands still.
    """

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"


class DatabaseIdentity(models.Model):
    """One row: what names this database, so that what is kept beside it (``connection.high_water``) is known to be its
    own. ``cluster``: where PostgreSQL had it when it was last seen."""

    key = models.UUIDField(default=uuid.uuid4, editable=False)
    cluster = models.CharField(max_length=120, blank=True)

    def __str__(self) -> str:
        return str(self.key)


class ReadSequence(models.Model):
    """One row: the application's counter of reads and pushes, taken before each request."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)


class BeforeImage(models.Model):
    """What a run changed of one person, on either side: field → [before, after]. Kept so that the run can be undone."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="before_images")
    person_id = models.BigIntegerField()
    here = models.JSONField(default=dict)
    there = models.JSONField(default=dict)

    class Meta:
        indexes = [
            # Undo of a run reads its images person by person.
            models.Index(fields=["run", "person_id"], name="syncer_before_image_run"),
        ]

    def __str__(self) -> str:
        return f"run {self.run_id}, person {self.person_id}"


class Installation(models.Model):
    """One row: which installation this database belongs to (INSTALLATION_ID). A copy of it must not sync, too."""

    identity = models.CharField("installation id", max_length=80)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.identity
