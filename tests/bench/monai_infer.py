"""What MONAI Label's clients wait for where a model answers: an outline, and all else beside it."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.bench.million import figures, took_ms
from tests.bench.monai_client import Client, form
from tests.bench.segmentation import pairs
from tests.bench.serving import PROJECT, Bench, decided, stem

from limner.client import Limner
from limner.images import ImageSource
from limner.plugin import PredictRequest
from limner.simulate import ServerProcess

TURN = 8
"""Outlines in a row before it is the next way's turn. The first turn of each does not count."""

CLIENTS = 16
EVERY_S = 0.02
MODEL = "/infer/segmentation"


def inferring(
    root: Path, data: Path, *, volumes: int, outlines: int, effort: float
) -> dict[str, Any]:
    """Train a model shortly; time one client's outlines, then polls beside sixteen clients."""
    names = prepare(root, data, volumes)
    threads = len(os.sched_getaffinity(0))
    with (
        ServerProcess(["--config", str(root / "limner.toml")], home=root / "home") as server,
        Limner(server.url, actor="bench", timeout_s=300) as limner,
    ):
        bench = Bench(root, limner, limner.project(PROJECT), threads)
        bench.idle()
        trained(bench, effort)
        one = outlining(bench, names[:outlines])
        alone = polling(bench, lambda: time.sleep(2.0))
        beside = polling(bench, lambda: many(bench, names))
        return {"threads": threads, "one": one, "polls alone": alone, "polls beside": beside}


def prepare(root: Path, data: Path, volumes: int) -> list[str]:
    """Lay out a folder of real volumes, a few of them with labels; return the volumes' names."""
    names: list[str] = pairs(data)
    random.Random(0).shuffle(names)
    names = names[:volumes]
    for folder in ("images", "adopted"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        shutil.copyfile(data / "images" / name, root / "images" / name)
        if number < 8:
            shutil.copyfile(data / "labels" / name, root / "adopted" / name)
    config = f"""
    [[projects]]
    name = "{PROJECT}"
    images = "{root / "images"}"
    adopt = "{root / "adopted"}"
    labels = ["anterior", "posterior"]
    settings = {{ modality = "MR", strategy = "random", retrain_every = 0 }}
    """
    (root / "limner.toml").write_text(config, encoding="utf-8")
    return names


def trained(bench: Bench, effort: float) -> None:
    """Have a model trained: how good it is changes nothing of what it costs."""
    client = Client(bench.limner.url, keeps=False)
    client.ask("POST", "/train/segmentation", json.dumps({"effort": effort}).encode())
    version = decided(bench, 1)
    if version.state != "serving":
        raise SystemExit(f"the model that was trained is {version.state}")
    bench.idle()


def outlining(bench: Bench, names: Sequence[str]) -> dict[str, float]:
    """Ask for outlines in three ways, in turns with the model alone; return milliseconds.

    What was predicted ahead is forgotten. The model alone reads the same files.
    """
    model, client = bench.model(), Client(bench.limner.url, keeps=False)

    def alone(name: str) -> object:
        source = ImageSource(paths=(bench.images / name,), name=name, modality="MR")
        return model.predict(source.read(), PredictRequest(seed=0))

    files = {name: form({}, "file", name, (bench.images / name).read_bytes()) for name in names}
    sessions = {name: session(client, bench.images / name) for name in names}
    ways: dict[str, Callable[[str], object]] = {
        "alone": alone,
        "image": lambda name: client.ask("POST", f"{MODEL}?image={quote(stem(name))}"),
        "file": lambda name: client.ask("POST", MODEL, *files[name]),
        "session": lambda name: client.ask("POST", f"{MODEL}?session_id={sessions[name]}"),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for start in range(0, len(names), TURN):
        bench.forget()
        for way, ask in ways.items():
            taken[way] += [
                took_ms(lambda a=ask, n=name: a(n))  # type: ignore[misc]
                for name in names[start : start + TURN]
            ]
    return {way: round(statistics.median(each[TURN:]), 1) for way, each in taken.items()}


def session(client: Client, file: Path) -> str:
    """Bring a volume that is no sample; return its session's id."""
    sent = form({}, "files", file.name, file.read_bytes())
    found: str = client.ask("PUT", "/session/", *sent).json()["session_id"]
    return found


def polling(bench: Bench, meanwhile: Callable[[], None]) -> dict[str, float]:
    """Ask what the project is every few milliseconds while something goes on.

    Each poll has a connection of its own, as of the real client. One that is late because the one
    before took long is counted from when it was due.
    """
    client, over = Client(bench.limner.url, keeps=False), threading.Event()
    taken = []

    def poll() -> None:
        due = time.perf_counter()
        while not over.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            client.ask("GET", "/info/")
            now = time.perf_counter()
            taken.append((now - due) * 1000)
            due = max(due + EVERY_S, now)

    thread = threading.Thread(target=poll)
    thread.start()
    began = time.perf_counter()
    meanwhile()
    took_s = time.perf_counter() - began
    over.set()
    thread.join()
    return {**figures(taken), "max_ms": max(taken), "polls": len(taken), "s": round(took_s, 1)}


def many(bench: Bench, names: Sequence[str]) -> None:
    """Let clients ask for the outlines of all images at once, none of them predicted ahead."""
    bench.forget()

    def work(number: int) -> None:
        client = Client(bench.limner.url, keeps=False)
        params = json.dumps({"client_id": f"viewer{number}"})
        sent = f"params={quote(params)}".encode(), "application/x-www-form-urlencoded"
        for name in names[number::CLIENTS]:
            client.ask("POST", f"{MODEL}?image={quote(stem(name))}", *sent)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
