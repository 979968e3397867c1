"""What one look at a store did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.loop.intake import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What was found and done."""

    tally: Tally
    """Samples by what became of them."""
    adopted: int
    """Finished labels taken in."""
    problems: Mapping[str, str]
    """What is wrong, by path."""
    is_complete: bool = True
    """False where the server stopped before the end."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        counts = {name: getattr(self.tally, name) for name in Tally.__slots__}
        return {**counts, "adopted": self.adopted, "problems": len(self.problems)}

    def __str__(self) -> str:
        told = {name: number for name, number in self.as_json().items() if number}
        return ", ".join(f"{number} {name}" for name, number in told.items()) or "nothing new"
