"""list_runs: all runs below a folder."""

from __future__ import annotations

from transfer.runs.listing import ListedRun, list_runs

__all__ = ["ListedRun", "list_runs"]
