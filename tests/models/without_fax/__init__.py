"""The migrations of the application, and one more (for MIGRATION_MODULES)."""

from __future__ import annotations

from syncer import migrations

__path__ = [*__path__, *migrations.__path__]
