"""Imports a plugin's module with learning libraries refused, and says what failed."""

from __future__ import annotations

from types import ModuleType

from limner.registry.heavy import heavy_imports_refused
from limner.registry.manifests import module_of, words_of
from limner.registry.sources import PluginSource


def imported(source: PluginSource) -> tuple[ModuleType | None, list[str]]:
    """Import a source's module; None where that failed, and the problems say why."""
    problems: list[str] = []
    module = None
    with heavy_imports_refused() as heavy:
        try:
            module = module_of(source)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code, which may even call sys.exit
            if not heavy:
                problems.append(f"importing it failed: {words_of(error)}")
    problems += [
        f"importing the manifest imports {name}: import it inside the functions that need it"
        for name in sorted(heavy)
    ]
    return module, problems
