"""Checks one plugin in this process and writes what is wrong: `python -m limner.registry.inspect`.

Reads `{"group", "name", "location", "copy", "path"}` as JSON from standard input and writes
`{"problems": [...], "limner": version}` to standard output; where `path` is null, the import path
stays as it is. Meant to be started by `limner.registry.inspection`, which survives whatever the
plugin does here.
"""

from __future__ import annotations

import json
import os
import sys

from limner.errors import PluginFailed
from limner.registry.factories import made
from limner.registry.heavy import heavy_imports_refused
from limner.registry.interpreters import limner_version
from limner.registry.manifests import manifest_of
from limner.registry.sources import PluginSource


def problems_of_source(source: PluginSource) -> list[str]:
    """List what keeps a plugin from working, by importing and making it here."""
    with heavy_imports_refused() as heavy:
        try:
            manifest_of(source)
        except PluginFailed as error:
            problem = str(error)
        else:
            problem = ""
    if heavy:
        return [f"importing the manifest imports {name}" for name in sorted(heavy)]
    if problem:
        return [problem]
    return made(source)[2]


def main() -> None:
    """Check the plugin that standard input names."""
    # Whatever the plugin prints, even from C, goes to standard error: the answer stays readable.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    if asked["path"] is not None:
        sys.path[:] = asked["path"]
    source = PluginSource(asked["group"], asked["name"], asked["location"], copy=asked["copy"])
    json.dump({"problems": problems_of_source(source), "limner": limner_version()}, answer)
    answer.close()


if __name__ == "__main__":
    main()
