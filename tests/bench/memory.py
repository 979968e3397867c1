"""Memory: of the web process while large uploads pass through, of the predictor on a large volume.

Run `python -m tests.bench.memory`; it prints a table and writes `bench-results/memory.json`. Real
servers; the model is trained on a few real volumes first, for a moment, since only its size
matters.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import psutil
from rich.console import Console
from tests.bench.results import conclude
from tests.bench.segmentation import DATA, pairs

from limner.client import Limner
from limner.simulate import ServerProcess

PROJECT = "memory"
UPLOADS_MIB, PREDICTOR_RATIO = 100.0, 6.0
SHAPE = (512, 512, 400)
VOXELS = int(np.prod(SHAPE))

console = Console()


class Peak:
    """The most memory that a process held while it was watched, in MiB."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self.most = self._now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch for as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()

    def _now(self) -> float:
        return float(self._process.memory_info().rss) / 2**20

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.most = max(self.most, self._now())


def write_volume(path: Path, shape: tuple[int, ...], seed: int) -> None:
    """Write an uncompressed NIfTI of float32, 1 mm voxels."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def uploads(root: Path, count: int) -> dict[str, float]:
    """Upload volumes of 50 MB one after the other, two at a time, and remove their files."""
    images, file = root / "images", root / "upload.nii"
    images.mkdir(parents=True)
    write_volume(file, (250, 250, 200), 0)
    arguments = [str(images), "--labels", "a,b", "--name", PROJECT]
    with ServerProcess(arguments, home=root / "home") as server:
        peak = Peak(server.pid)

        def send(first: int) -> None:
            with Limner(server.url, timeout_s=120) as limner:
                project = limner.project(PROJECT)
                for number in range(first, count, 2):
                    name = f"upload{number}.nii"
                    with file.open("rb") as stream:
                        project.upload(stream, name)
                    (images / name).unlink()

        with peak.watched():
            threads = [threading.Thread(target=send, args=(first,)) for first in (0, 1)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
    return {
        "uploads": count,
        "mb_each": round(file.stat().st_size / 1e6, 1),
        "before_mib": round(peak.before, 1),
        "grew_mib": round(peak.most - peak.before, 1),
    }


def large_volume(root: Path, data: Path) -> dict[str, float]:
    """Predict one large volume; return the predictor's peak over the volume in float32."""
    images, adopted = root / "images", root / "adopted"
    for folder in (images, adopted):
        folder.mkdir(parents=True)
    for name in pairs(data)[:6]:
        shutil.copyfile(data / "images" / name, images / name)
        shutil.copyfile(data / "labels" / name, adopted / name)
    (root / "limner.toml").write_text(
        f"""
        [engine]
        predict_timeout_s = 7200
        [[projects]]
        name = "{PROJECT}"
        images = "{images}"
        adopt = "{adopted}"
        labels = ["anterior", "posterior"]
        settings = {{ modality = "MR", app_options = {{ steps = 80 }}, queue_length = 1 }}
        """,
        encoding="utf-8",
    )
    arguments = ["--config", str(root / "limner.toml")]
    with (
        ServerProcess(arguments, home=root / "home") as server,
        Limner(server.url, timeout_s=7200) as limner,
    ):
        project = limner.project(PROJECT)
        while project.get().model_version is None:
            time.sleep(0.2)
        write_volume(root / "large.nii", SHAPE, 1)
        with (root / "large.nii").open("rb") as stream:
            sample = project.upload(stream, "large.nii")
        # The learner and the picker are polite to it.
        workers = psutil.Process(server.pid).children()
        (predictor,) = (each for each in workers if each.nice() == 0)
        peak = Peak(predictor.pid)
        began = time.monotonic()
        with peak.watched():
            project.predict(sample.id)
        took_s = time.monotonic() - began
    return {
        "volume_mib": VOXELS * 4 / 2**20,
        "peak_mib": round(peak.most, 1),
        "ratio": round(peak.most / (VOXELS * 4 / 2**20), 2),
        "seconds": round(took_s, 1),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--skip-volume", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-results/memory.json"))
    options = parser.parse_args()
    found: dict[str, Any] = {}
    problems = []
    with tempfile.TemporaryDirectory(prefix="limner-bench-", ignore_cleanup_errors=True) as folder:
        found["uploads"] = uploads(Path(folder) / "uploads", options.uploads)
        console.print(found["uploads"])
        if found["uploads"]["grew_mib"] > UPLOADS_MIB:
            problems.append(f"the web process grew by more than {UPLOADS_MIB} MiB")
        if not options.skip_volume:
            found["volume"] = large_volume(Path(folder) / "volume", options.data)
            console.print(found["volume"])
            if found["volume"]["ratio"] > PREDICTOR_RATIO:
                problems.append(f"the predictor held more than {PREDICTOR_RATIO} times the volume")
    conclude({**found, "problems": problems}, options.out, console)


if __name__ == "__main__":
    main()
