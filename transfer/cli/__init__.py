"""The command `transfer`: parse, call, print. Everything it does is a call of the library."""

from __future__ import annotations

from transfer.cli.main import main

__all__ = ["main"]
