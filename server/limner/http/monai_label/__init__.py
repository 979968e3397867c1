"""The dialect of MONAI Label's clients: its routes, as a translation of the same service.

Mounted at the root for one project, and under `/monai/{project}` for each. What clients read and
send is documented in `docs/reference/monai-label.md`.
"""

from __future__ import annotations

from limner.http.monai_label.mounting import mount, needs_no_token

__all__ = ["mount", "needs_no_token"]
