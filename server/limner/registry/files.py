"""Plugins given as files or folders: which there are, and how they are imported."""

from __future__ import annotations

import hashlib
import importlib
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from limner.errors import PluginFailed


def plugin_paths(path: Path) -> list[Path]:
    """List the plugin files and package folders that a given path stands for, sorted.

    A file is itself; a folder with an `__init__.py` is one package; any other folder stands for
    the `.py` files and package folders right inside it. Names that begin with `.` or `_` are left
    out there: a plugin's private parts live beside it under such a name.

    Raises:
        PluginFailed: The path does not exist, is no Python file, or holds no plugin.
    """
    path = path.expanduser().resolve()
    if path.is_dir():
        if _is_package(path):
            return [path]
        inside = [
            each
            for each in sorted(path.iterdir())
            if not each.name.startswith((".", "_")) and (each.suffix == ".py" or _is_package(each))
        ]
        if not inside:
            raise PluginFailed(f"Folder {path} holds no plugin: no .py file and no package folder.")
        return inside
    if not path.exists():
        raise PluginFailed(f"There is no file or folder {path}; give the path of a plugin.")
    if path.suffix != ".py":
        raise PluginFailed(f"{path} is no Python file; give a .py file or a folder.")
    return [path]


def import_path(path: Path, original: Path | None = None) -> ModuleType:
    """Import a plugin file or package folder, once per content.

    A file gets a private module name made of its path and its state on disk: two files of one name
    do not collide, and a file that has changed is imported anew. A package folder keeps its own
    name, because its modules import each other by it; `sys.path` is not touched.

    Args:
        path: The file or folder to import.
        original: What it is a copy of, if it is one.

    Raises:
        PluginFailed: The folder's name cannot be a module or is taken by another package.
        Exception: Whatever the plugin's own code raises, `SystemExit` included.
    """
    if path.is_dir():
        return _import_package(path, original)
    state = path.stat()
    key = f"{path}\0{state.st_mtime_ns}\0{state.st_size}"
    name = f"limner_plugin_{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return sys.modules.get(name) or _import_as(name, path)


def _import_package(folder: Path, original: Path | None) -> ModuleType:
    name, init = folder.name, folder / "__init__.py"
    # The original may lie on the import path. Once it is imported, the copy goes before it.
    own = {str(each / "__init__.py") for each in (folder, original) if each}
    if not name.isidentifier():
        raise PluginFailed(
            f"Folder {folder} cannot be imported: {name!r} is no Python name; rename it."
        )
    loaded = sys.modules.get(name)
    if loaded is not None and _file_of(loaded) == init:
        return loaded
    installed = PathFinder.find_spec(name)
    elsewhere = installed is not None and installed.origin not in own
    if loaded is not None or elsewhere or name in sys.stdlib_module_names:
        raise PluginFailed(
            f"Folder {folder} cannot be imported: another package is called {name!r} already; "
            "rename the folder."
        )
    importlib.invalidate_caches()
    return _import_as(name, init, package=folder)


def _import_as(name: str, file: Path, package: Path | None = None) -> ModuleType:
    search = None if package is None else [str(package)]
    loader = _SourceAsItIs(name, str(file))
    spec = spec_from_file_location(name, file, loader=loader, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise PluginFailed(f"{file} cannot be imported: Python knows no loader for it.")
    module = module_from_spec(spec)
    # Dataclasses and pickle look their module up by name while it is still being executed.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for each in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
            del sys.modules[each]
        raise
    return module


class _SourceAsItIs(SourceFileLoader):
    """Compiles what the file holds now: cached code counts as fresh within the same second."""

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self.get_data(self.path), self.path)


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _file_of(module: ModuleType) -> Path | None:
    return Path(module.__file__).resolve() if module.__file__ else None
