"""The control path ``/sandbox/…``: what administrators, tests and time do. Not part of Salesforce."""

from __future__ import annotations

from sandbox.control.routes import answer

__all__ = ["answer"]
