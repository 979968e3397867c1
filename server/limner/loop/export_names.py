"""Names of samples as they can stand in any data set: plain, short and unique."""

from __future__ import annotations

import re

_LONGEST = 100
_STRANGE = re.compile(r"[^A-Za-z0-9.-]+")


class UniqueNames:
    """Gives each sample of one export a name of its own, also where case does not count.

    Example:
        >>> names = UniqueNames()
        >>> names.unique("köln/scan 1", 1), names.unique("köln_scan_1", 2)
        ('k_ln_scan_1', 'k_ln_scan_1-2')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str, sample_id: int) -> str:
        """Return a name of letters, digits, dots, dashes and underscores."""
        plain = _STRANGE.sub("_", name).strip("._-")[:_LONGEST] or "sample"
        while plain.lower() in self._taken:
            plain = f"{plain}-{sample_id}"
        self._taken.add(plain.lower())
        return plain
