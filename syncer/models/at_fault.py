"""Records that could not be taken in, each because of itself."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class RecordAtFault(models.Model):
    """A record of Salesforce's that could not be taken in, although others could: the reads went on without it, and it
    is looked at again by its id.

    ``record_id`` is empty for a row that came without a readable one: then it is among those changed between ``after``
    and ``until``.
    """

    sync_user = models.ForeignKey("syncer.SyncUser", on_delete=models.CASCADE, related_name="records_at_fault")
    object = models.CharField(max_length=40)
    record_id = models.CharField("SFDC id", max_length=18, blank=True)
    after = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField(default=timezone.now)
    looks = models.PositiveIntegerField(default=0)
    next_look = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "record at fault"
        verbose_name_plural = "records at fault"
        constraints = [
            # One row per record, and per gap; what was taken in is looked for by it.
            models.UniqueConstraint(
                fields=["sync_user", "object", "record_id"],
                condition=~models.Q(record_id=""),
                name="syncer_record_at_fault_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object} {self.record_id}"
