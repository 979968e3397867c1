"""How every benchmark with bounds ends: results written, what was missed said, an exit code."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console


def conclude(results: Mapping[str, Any], out: Path, console: Console) -> NoReturn:
    """Write the results as JSON, with the machine that they are of, and end.

    Args:
        results: Everything measured; `problems` lists the bounds that were missed.
        out: The file.
        console: Where to say it.
    """
    machine = {"platform": platform.platform(), "python": platform.python_version()}
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**results, "machine": machine}, indent=2, default=str)
    out.write_text(text + "\n", encoding="utf-8")
    for each in results["problems"]:
        console.print(f"missed: {each}", markup=False)
    console.print(f"written to {out}")
    sys.exit(1 if results["problems"] else 0)
