"""An app that breaks whatever a plugin can break, as its options ask."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np

from limner.plugin import (
    Ability,
    AppManifest,
    Case,
    Evaluation,
    Image,
    LoadRequest,
    Mask,
    Option,
    Prediction,
    PredictRequest,
    Progress,
    Prompt,
    Stopped,
    Task,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)

manifest = AppManifest(
    name="odd",
    version="1.0.0",
    factory=":OddApp",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.TRAIN, Ability.EVALUATE}),
    title="Breaks things",
    licence="Apache-2.0",
    options={"how": Option(default="", help="What it does.")},
)


class OwnError(UnsuitableInput):
    """A class that only this plugin knows."""


class OddModel:
    def __init__(self, how: str, threads: int) -> None:
        self._how = how
        self._threads = threads

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        if self._how == "eat":
            eaten = []
            while True:
                eaten.append(np.ones(2**20))  # touched, so that it counts
        if self._how == "leave":
            sys.exit("I quit.")
        if self._how == "crash":
            faulthandler._sigsegv()  # type: ignore[attr-defined]
        if self._how == "shout":
            sys.stdout.write("noise " * 200_000)
            os.write(1, b"written past python\n")
        if self._how == "own error":
            raise OwnError("This image is too odd.")
        if self._how == "last words":
            sys.stderr.write("these are my last words\n")
            os._exit(7)
        if self._how == "leave a child":
            subprocess.Popen(["sleep", "600"])
            os._exit(7)
        array = np.full(image.shape, 1, np.uint8)
        if self._how == "environment":
            threads = int(os.environ["OMP_NUM_THREADS"])
            array.flat[:2] = [self._threads, threads]
        return Prediction(answer=Mask(array=array, spacing=image.spacing, affine=image.affine))

    def prompt(
        self, image: Image, prompts: Sequence[Prompt], request: PredictRequest
    ) -> Prediction:
        if self._how == "no mask":
            return None  # type: ignore[return-value]
        if self._how == "stumble":
            raise IndexError("too far")
        if self._how == "write":
            prompts[0].points[0] = 0
        array = np.full(image.shape, 7 if self._how == "odd value" else 1, np.uint8)
        if self._how == "short mask":
            array = array[..., :-1]
        return Prediction(answer=Mask(array=array, spacing=image.spacing, affine=image.affine))

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        return Evaluation(measure="dice", case_scores={"nobody": 0.5}, class_scores={})


class OddApp:
    def load(self, request: LoadRequest) -> OddModel:
        how = str(request.options["how"])
        if how == "no load":
            raise RuntimeError("the weights are odd")
        return OddModel(how, request.threads)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        how = str(request.options["how"])
        watch.progress(Progress(step=0, total=1, message="begun"))
        if how in ("stubborn", "silent"):
            threading.Event().wait(60)
        if how == "stop unasked":
            raise Stopped("I do not feel like it.")
        if how == "nan losses":
            watch.progress(Progress(step=1, total=1, losses={"a": float("nan"), "b": 0.5}))
        weights = request.workspace / "weights.bin"
        weights.write_bytes(b"odd")
        return Trained(
            weights=request.workspace.parent if how == "elsewhere" else weights,
            plan={"patch": (1, np.int64(2)), "began": time.time()},  # type: ignore[dict-item]
            metrics={"loss": np.float32(0.5), "broken": float("inf")},  # type: ignore[dict-item]
            seed=request.seed,
            steps=1,
            libraries={},
        )
