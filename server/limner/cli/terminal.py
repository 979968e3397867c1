"""The terminal: one place for what the commands say."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
"""Answers: what a pipe should carry."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Errors and remarks."""


def complain(message: str) -> None:
    """Say what went wrong, in words, on standard error."""
    err.print(f"limner: {message}", style="red", markup=False)
