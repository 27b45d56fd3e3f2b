"""The organisation in a browser."""

from __future__ import annotations

from sandbox.page.views import answer

__all__ = ["answer"]
