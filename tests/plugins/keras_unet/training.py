"""A training: reads the labels, takes its steps, and can be stopped and gone on with."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_unet.network import (
    Plan,
    arrays_of,
    assign,
    build,
    device_of,
    read_arrays,
    write_arrays,
)
from keras_unet.slices import Labelled, fitted, grained, read_labelled
from limner.plugin import (
    FloatArray,
    Progress,
    Stopped,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)

log = logging.getLogger(__name__)

BATCH = 8
LARGEST_SIDE = 160
"""Of larger slices the middle is learnt from."""

CHECKPOINT_EVERY = 25
LEARNING_RATE = 5e-3


class Training:
    """One request on its way to weights."""

    def __init__(self, request: TrainRequest, watch: Watch) -> None:
        """Do nothing yet."""
        self._request = request
        self._watch = watch
        self._checkpoint = request.workspace / "checkpoint.npz"
        self._notes: list[str] = []
        self._total = max(1, round(chosen(request, "steps") * request.effort))

    def run(self) -> Trained:
        """Train to the end.

        Raises:
            Stopped: The watch said so; the checkpoint stays.
            UnsuitableInput: A case cannot be learnt from.
        """
        slices, classes = self._read()
        width = chosen(self._request, "width")
        plan = Plan.for_schema(self._request.schema, slices.shape[-1], width)
        network = build(plan, self._request.seed)
        optimiser = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, self._total), clipnorm=1.0
        )
        optimiser.build(network.trainable_variables)
        done = self._start(plan, network, optimiser)
        loss = self._take_steps(plan, network, optimiser, slices, classes, done)
        weights = self._request.workspace / "weights.npz"
        write_arrays(weights, plan, arrays_of(network.variables, "network"))
        return Trained(
            weights=weights,
            plan={
                "channels": plan.channels,
                "width": plan.width,
                "side": list(slices.shape[1:3]),
                "slices": len(slices),
                "batch": BATCH,
            },
            metrics={"loss": loss},
            seed=self._request.seed,
            steps=self._total,
            libraries={
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
                "numpy": np.__version__,
            },
            notes=tuple(self._notes),
        )

    def _read(self) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """Read all cases: slices (n, rows, columns, channels) and classes (n, rows, columns)."""
        if not self._request.train:
            raise UnsuitableInput("There is no label to learn from; give at least one.")
        cases: list[Labelled] = []
        for case in self._request.train:
            self._ask()
            self._watch.progress(Progress(step=0, total=self._total, message="reading labels"))
            channels = cases[0].slices.shape[-1] if cases else None
            cases.append(read_labelled(case, self._request.schema, channels))
        rows, columns = (
            min(LARGEST_SIDE, grained(max(case.slices.shape[axis] for case in cases)))
            for axis in (1, 2)
        )
        return (
            np.concatenate([fitted(case.slices, rows, columns) for case in cases]),
            np.concatenate([fitted(case.classes, rows, columns) for case in cases]),
        )

    def _start(self, plan: Plan, network: Any, optimiser: Any) -> int:
        """Go on from the checkpoint, else from the parent, else from nothing; return the step."""
        if self._checkpoint.exists():
            try:
                stored, arrays, step = read_arrays(self._checkpoint)
                if stored == plan and step <= self._total:
                    assign(network.variables, arrays, "network")
                    assign(optimiser.variables, arrays, "optimiser")
                    return int(step)
            except UnsuitableInput as error:
                log.warning("The checkpoint is of no use: %s", error)
        if self._request.parent is not None:
            stored, arrays, _ = read_arrays(self._request.parent)
            if stored == plan:
                assign(network.variables, arrays, "network")
            else:
                self._notes.append("The parent has another plan; this version began from scratch.")
        return 0

    def _take_steps(
        self,
        plan: Plan,
        network: Any,
        optimiser: Any,
        slices: FloatArray,
        classes: npt.NDArray[np.int32],
        done: int,
    ) -> float:
        """Take the steps that are left and return the last loss."""

        step = self._traced(network, optimiser, slices.shape[1:])
        loss = 0.0
        for number in range(done, self._total):
            if self._watch.should_stop():
                self._keep(plan, network, optimiser, number)
                raise Stopped(f"The training was told to stop, at step {number}.")
            rows = drawn(len(slices), number, self._request.seed)
            loss = float(step(tf.constant(slices[rows]), tf.constant(classes[rows])))
            if (number + 1) % CHECKPOINT_EVERY == 0:
                self._keep(plan, network, optimiser, number + 1)
            self._watch.progress(
                Progress(step=number + 1, total=self._total, losses={"loss": loss})
            )
        return loss

    def _traced(self, network: Any, optimiser: Any, shape: tuple[int, ...]) -> Any:
        """Compile a step. It takes seconds, so it is done in a thread, and the watch asked here."""

        def step(pixels: Any, truth: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss_of(network(pixels, training=True)[0], truth)
            gradients = tape.gradient(value, network.trainable_variables)
            optimiser.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
            return value

        def trace() -> Any:
            with device_of(self._request.device):
                return tf.function(step).get_concrete_function(
                    tf.TensorSpec((BATCH, *shape), tf.float32),
                    tf.TensorSpec((BATCH, *shape[:2]), tf.int32),
                )

        pool = ThreadPoolExecutor(1)
        try:
            traced = pool.submit(trace)
            while not wait([traced], timeout=0.1).done:
                self._ask()
            return traced.result()
        finally:
            pool.shutdown(wait=False)

    def _keep(self, plan: Plan, network: Any, optimiser: Any, step: int) -> None:
        arrays = arrays_of(network.variables, "network")
        arrays |= arrays_of(optimiser.variables, "optimiser")
        write_arrays(self._checkpoint, plan, arrays, step)

    def _ask(self) -> None:
        if self._watch.should_stop():
            raise Stopped("The training was told to stop.")


def chosen(request: TrainRequest, option: str) -> int:
    """Return an option that is a whole number."""
    value = request.options[option]
    if not isinstance(value, int):
        raise UnsuitableInput(f"The option {option} is {value!r}; give a whole number.")
    return value


def drawn(count: int, step: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw the slices of a step: every slice once in an order of its own, then all over again."""
    places = np.arange(step * BATCH, (step + 1) * BATCH)
    orders = {
        int(epoch): np.random.default_rng((seed, int(epoch))).permutation(count)
        for epoch in np.unique(places // count)
    }
    return np.array([orders[int(place) // count][int(place) % count] for place in places])


def loss_of(logits: Any, truth: Any) -> Any:
    """Return cross-entropy plus the mean soft Dice loss of the classes.

    References:
        Milletari et al. 2016, V-Net: fully convolutional neural networks for volumetric medical
        image segmentation.
    """
    entropy = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits)
    )
    found = tf.nn.softmax(logits)[..., 1:]
    true = tf.one_hot(truth, logits.shape[-1])[..., 1:]
    both = tf.reduce_sum(found * true, axis=(0, 1, 2))
    sizes = tf.reduce_sum(found + true, axis=(0, 1, 2))
    return entropy + 1 - tf.reduce_mean((2 * both + 1) / (sizes + 1))
