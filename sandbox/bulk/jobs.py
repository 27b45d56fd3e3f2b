"""All bulk jobs of the organisation, and who works on them.

Over HTTP a thread of its own works, taking the organisation's lock for one chunk at a time. In process the work is
done when the job is next looked at, so that a simulation stays deterministic.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import timedelta

from sandbox.bulk.ingest import IngestJob
from sandbox.bulk.job import ABORTED, Job
from sandbox.bulk.query import QueryJob
from sandbox.errors import SalesforceError
from sandbox.org_data import OrgData

#: "Bulk API 2.0 Limits and Allocations": jobs are kept for seven days
_KEPT = timedelta(days=7)
AnyJob = IngestJob | QueryJob


class Jobs:
    """The jobs by id."""

    def __init__(self, data: OrgData, lock: threading.RLock) -> None:
        self._data = data
        self.by_id: dict[str, AnyJob] = {}
        self.background = False
        self.fail_next_after: int | None = None
        self._waiting: deque[AnyJob] = deque()
        self._wake = threading.Condition(lock)
        self._worker: threading.Thread | None = None
        self._stopping = False

    def add(self, job: AnyJob) -> None:
        """Keep a new job, and forget those that ended more than a week ago."""
        for old in list(self.by_id.values()):
            if old.ended and job.created - old.changed > _KEPT:
                self.delete(old)
        self.by_id[job.id] = job

    def find(self, job_id: str, kind: type[Job]) -> AnyJob:
        """A job of this kind; NOT_FOUND if there is none."""
        job = self.by_id.get(job_id) or next(
            (each for each in self.by_id.values() if each.id[:15] == job_id[:15]), None
        )
        if not isinstance(job, kind):
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        return job

    def submit(self, job: AnyJob) -> None:
        """The job can be worked on."""
        self._waiting.append(job)
        if self.background:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="sandbox-bulk", daemon=True)
                self._worker.start()
            self._wake.notify_all()

    def look(self, job: AnyJob) -> None:
        """Somebody looks at a job: in process it is finished now."""
        while not self.background and job in self._waiting:
            self._step(job)

    def _step(self, job: AnyJob) -> None:
        started = time.monotonic()
        if not job.ended:
            job.step(self._data)
            job.milliseconds += max(1, int((time.monotonic() - started) * 1000))
        if job.ended and job in self._waiting:
            self._waiting.remove(job)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                self._step(self._waiting[0])
            # let requests in between two chunks
            time.sleep(0)

    def abort(self, job: AnyJob) -> None:
        """Stop a job; what is saved stays saved."""
        job.to(ABORTED, self._data.clock.now())
        if isinstance(job, IngestJob):
            job.hand_back()

    def delete(self, job: AnyJob) -> None:
        """Forget a job and its results."""
        job.close()
        del self.by_id[job.id]

    def clear(self) -> None:
        """Forget all jobs."""
        self._waiting.clear()
        for job in self.by_id.values():
            job.close()
        self.by_id.clear()

    def close(self) -> None:
        """Stop working."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._worker is not None:
            self._worker.join(10)
        self.clear()
