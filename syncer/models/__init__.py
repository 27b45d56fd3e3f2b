"""What is kept."""

from syncer.models.activity import ActivityLogEntry, ActivityStatus, ActivityType, Conflict
from syncer.models.at_fault import RecordAtFault
from syncer.models.mapping import Backfill, Direction, FieldMapping
from syncer.models.person import FormerId, Person, SfdcType, Tombstone
from syncer.models.record import (
    UNSETTLED,
    Claim,
    CreateIntent,
    IntentState,
    PendingChange,
    PendingState,
    SalesforceRecord,
    SyncWriting,
)
from syncer.models.run import (
    BeforeImage,
    DatabaseIdentity,
    Heartbeat,
    Installation,
    PostponedRecord,
    ReadSequence,
    RunKind,
    RunPerson,
    RunStatus,
    SyncCursor,
    SyncLease,
    SyncRun,
)
from syncer.models.sync_user import (
    ApiUsage,
    SalesforceObject,
    SyncMode,
    SyncUser,
    SyncUserState,
    Winner,
)

__all__ = [
    "UNSETTLED",
    "ActivityLogEntry",
    "ActivityStatus",
    "ActivityType",
    "ApiUsage",
    "Backfill",
    "BeforeImage",
    "Claim",
    "Conflict",
    "CreateIntent",
    "DatabaseIdentity",
    "Direction",
    "FieldMapping",
    "FormerId",
    "Heartbeat",
    "Installation",
    "IntentState",
    "PendingChange",
    "PendingState",
    "Person",
    "PostponedRecord",
    "ReadSequence",
    "RecordAtFault",
    "RunKind",
    "RunPerson",
    "RunStatus",
    "SalesforceObject",
    "SalesforceRecord",
    "SfdcType",
    "SyncCursor",
    "SyncLease",
    "SyncMode",
    "SyncRun",
    "SyncUser",
    "SyncUserState",
    "SyncWriting",
    "Tombstone",
    "Winner",
]
