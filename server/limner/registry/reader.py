"""Imports one plugin in this process and writes its manifests: `python -m limner.registry.reader`.

Reads `{"group", "name", "location", "copy", "path", "timeout_s"}` as JSON from standard input and
writes `{"values": [...], "problems": [...]}` to standard output: for each manifest its plain form,
or what kind of object stands in its place. Meant to be started by `limner.registry.reading`, which
survives whatever the plugin does here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from limner.plugin import AppManifest, StrategyManifest
from limner.registry.importing import imported
from limner.registry.manifests import file_manifests, installed_manifest, words_of
from limner.registry.plain import plain_manifest
from limner.registry.sources import PluginSource

_SPARE_S = 5.0


def manifests_of(source: PluginSource) -> dict[str, Any]:
    """Import a source and return what it holds as plain data, with all that is wrong."""
    module, problems = imported(source)
    values: list[dict[str, Any]] = []
    if module is not None:
        try:
            found = (
                [installed_manifest(module, source.location)]
                if source.path is None
                else file_manifests(module, source.path)
            )
            values = [_written(each) for each in found]
        except Exception as error:  # noqa: BLE001 - a foreign module may define __getattr__
            problems.append(words_of(error))
    return {"values": values, "problems": problems}


def _written(value: object) -> dict[str, Any]:
    if not isinstance(value, AppManifest | StrategyManifest):
        return {"type": type(value).__name__}
    try:
        return plain_manifest(value)
    except Exception as error:  # noqa: BLE001 - a foreign manifest may hold fields of any type
        kind = "app" if isinstance(value, AppManifest) else "strategy"
        return {"kind": kind, "fields": {}, "unreadable": words_of(error)}


def main() -> None:
    """Read the plugin that standard input names."""
    # Whatever the plugin prints, even from C, goes to standard error: the answer stays readable.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    # Should the server be killed meanwhile, nobody else would end a plugin that hangs.
    signal.setitimer(signal.ITIMER_REAL, asked["timeout_s"] + _SPARE_S)
    sys.path[:] = asked["path"]
    sys.dont_write_bytecode = True  # reading a plugin leaves its folder as it is
    source = PluginSource(asked["group"], asked["name"], asked["location"], copy=asked["copy"])
    json.dump(manifests_of(source), answer)
    answer.flush()
    # Threads and exit handlers of the plugin must not hold up an answer that is there.
    os._exit(0)


if __name__ == "__main__":
    main()
