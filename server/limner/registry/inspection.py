"""Checks plugins in child processes, so that one that hangs or crashes harms nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from limner.registry.sources import Found, PluginSource

_AT_ONCE = 2
"""Children at a time: each may import a learning library, which is mostly processor work."""


def inspect_plugins(
    found: Sequence[Found], timeout_s: float = 60.0
) -> Mapping[tuple[str, str], list[str]]:
    """Make every usable plugin in a child process of its own and list what is wrong.

    Args:
        found: What discovery found; plugins that cannot be used anyway are left out.
        timeout_s: Seconds that one plugin may take.

    Returns:
        Problems by group and name, an empty list for a plugin in order.
    """
    sources = [each.source for each in found if each.is_usable]
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="inspect") as pool:
        answers = pool.map(lambda source: _inspect(source, timeout_s), sources)
        return {
            (source.group, source.name): problems
            for source, problems in zip(sources, answers, strict=True)
        }


def _inspect(source: PluginSource, timeout_s: float) -> list[str]:
    asked = json.dumps(
        {
            "group": source.group,
            "name": source.name,
            "location": source.location,
            "path": sys.path,
        }
    )
    child = subprocess.Popen(
        # -P: the folder we happen to stand in is no place to import from.
        [sys.executable, "-P", "-m", "limner.registry.inspect"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        answer, words = child.communicate(asked, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return [f"making it did not end within {timeout_s:g} s; it hangs or loads too much"]
    finally:
        _end(child)
    try:
        return [str(each) for each in json.loads(answer)["problems"]]
    except (ValueError, KeyError, TypeError):
        last = " ".join(words.split())[-500:] or "nothing"
        return [f"making it ended its process with code {child.returncode}; last words: {last}"]


def _end(child: subprocess.Popen[str]) -> None:
    """End the child with all that it started, and let go of its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
