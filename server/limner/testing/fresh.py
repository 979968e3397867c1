"""Loads weights and predicts in a process that has seen nothing of the training."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    App,
    AppManifest,
    Image,
    LabelClass,
    LabelSchema,
    LoadRequest,
    PredictRequest,
)
from limner.testing.answers import arrays_of

_TIMEOUT_S = 120.0


def predict_in_fresh_process(
    app: App, manifest: AppManifest, request: LoadRequest, image: Image, folder: Path
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of what the app answers in a process of its own.

    Args:
        app: The app, made here; the module of its class is imported there.
        manifest: Names the factory.
        request: What to load.
        image: What to predict.
        folder: A folder for the exchange.
    """
    named, _, attribute = manifest.factory.partition(":")
    name = named or type(app).__module__
    np.save(folder / "image.npy", image.array)
    asked = {
        "path": sys.path,
        "module": name,
        "file": getattr(sys.modules.get(name), "__file__", None),
        "attribute": attribute,
        "weights": str(request.weights),
        "classes": [dataclasses.asdict(each) for each in request.schema.classes],
        "exclusive": request.schema.exclusive,
        "options": dict(request.options),
        "spacing": image.spacing,
        "affine": None if image.affine is None else image.affine.tolist(),
        "folder": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from limner.testing.fresh import main; main()"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the weights do not load in a fresh process:\n{done.stderr[-2000:]}")
    with np.load(folder / "answer.npz", allow_pickle=False) as answer:
        return dict(answer)


def main() -> None:
    """Do what standard input asks."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    folder = Path(asked["folder"])
    app: App = getattr(_module(asked["module"], asked["file"]), asked["attribute"])()
    model = app.load(
        LoadRequest(
            weights=Path(asked["weights"]),
            schema=LabelSchema(
                classes=tuple(LabelClass(**each) for each in asked["classes"]),
                exclusive=asked["exclusive"],
            ),
            options=asked["options"],
        )
    )
    image = Image(
        array=np.load(folder / "image.npy"),
        spacing=tuple(asked["spacing"]),
        affine=None if asked["affine"] is None else np.array(asked["affine"]),
    )
    arrays: Any = arrays_of(model.predict(image, PredictRequest()).answer)
    np.savez(folder / "answer.npz", **arrays)


def _module(name: str, file: str | None) -> ModuleType:
    """Import a module by its name, or from its file where the name is not on the path."""
    if file is None or importlib.util.find_spec(name.partition(".")[0]) is not None:
        return importlib.import_module(name)
    path = Path(file)
    search = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
