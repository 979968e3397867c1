"""Checks plugins in child processes, so that one that hangs or crashes harms nobody."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from limner.registry.child import ask_child
from limner.registry.interpreters import lacks_limner, start_problem, version_problem
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
    asked = {
        "group": source.group,
        "name": source.name,
        "location": source.location,
        "copy": source.copy,
    }
    python = source.python
    try:
        answer = ask_child("limner.registry.inspect", asked, timeout_s, python)
    except OSError as error:
        ended = f"it cannot be started: {error.strerror}"
        return [start_problem(python or sys.executable, ended, "")]
    if answer.ended:
        if lacks_limner(answer.words):
            return [start_problem(python, f"exit code {answer.code}", answer.words)]
        return [f"making it {answer.ended}"]
    try:
        problems = [str(each) for each in answer.document["problems"]]
        version = str(answer.document.get("limner", ""))
    except (KeyError, TypeError, AttributeError):
        # Only code that writes into the child's own answer can bring this about.
        return ["making it spoiled the answer of its process"]
    misfit = version_problem(python, version) if python else ""
    return [misfit, *problems] if misfit else problems
