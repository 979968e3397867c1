"""The network, and its weights as a file."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from limner.plugin import LabelSchema, UnsuitableInput

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever a person's own keras.json says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras
import tensorflow as tf

FORMAT = "keras-unet-1"

# The same request trains the same model, whatever the order in which threads end.
tf.config.experimental.enable_op_determinism()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the shape of a network follows from."""

    channels: int
    values: tuple[int, ...]
    """Of the schema, background first."""
    width: int

    @classmethod
    def for_schema(cls, schema: LabelSchema, channels: int, width: int) -> Plan:
        """Plan for a schema's classes."""
        return cls(channels, schema.values, width)


def build(plan: Plan, seed: int = 0) -> Any:
    """Make a U-Net of three levels.

    Returns:
        A Keras model from (n, rows, columns, channels), sides multiples of 4, to the logits
        (n, rows, columns, 1 + classes) and the features of its lowest level (n, 4 * width).
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def convolved(x: Any, filters: int) -> Any:
        for _ in range(2):
            start = keras.initializers.HeNormal(seed=next(seeds))
            x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=start)(x)
            x = keras.layers.GroupNormalization(groups=8)(x)
            x = keras.layers.Activation("relu")(x)
        return x

    pixels = keras.Input((None, None, plan.channels))
    fine = convolved(pixels, plan.width)
    middle = convolved(keras.layers.MaxPooling2D()(fine), 2 * plan.width)
    coarse = convolved(keras.layers.MaxPooling2D()(middle), 4 * plan.width)
    x = coarse
    for skipped, filters in ((middle, 2 * plan.width), (fine, plan.width)):
        x = keras.layers.Concatenate()([keras.layers.UpSampling2D()(x), skipped])
        x = convolved(x, filters)
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    logits = keras.layers.Conv2D(len(plan.values), 1, kernel_initializer=start)(x)
    features = keras.layers.GlobalAveragePooling2D()(coarse)
    return keras.Model(pixels, [logits, features])


def device_of(name: str) -> Any:
    """Enter a device: the GPU of that number where TensorFlow has one, else the processor."""
    kind, _, number = name.partition(":")
    has_gpu = kind == "cuda" and len(tf.config.list_physical_devices("GPU")) > int(number or 0)
    return tf.device(f"/GPU:{number or 0}" if has_gpu else "/CPU:0")


def write_arrays(
    path: Path, plan: Plan, arrays: dict[str, npt.NDArray[Any]], step: int = 0
) -> None:
    """Write arrays with their plan, under another name first: a crash leaves no half file."""
    half = path.with_suffix(".half.npz")
    about = json.dumps({"format": FORMAT, "step": step, **asdict(plan)})
    np.savez(half, about=np.array(about), **arrays)  # type: ignore[arg-type]
    half.replace(path)


def read_arrays(path: Path) -> tuple[Plan, dict[str, npt.NDArray[Any]], int]:
    """Read what `write_arrays` wrote; nothing in such a file can run code.

    Raises:
        UnsuitableInput: It is no such file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if about["format"] != FORMAT:
                raise UnsuitableInput(f"{path.name} was made by another version of this app.")
            plan = Plan(int(about["channels"]), tuple(about["values"]), int(about["width"]))
            arrays = {name: stored[name] for name in stored.files if name != "about"}
            return plan, arrays, int(about["step"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile, zlib.error) as error:
        raise UnsuitableInput(f"{path.name} holds no weights of this app: {error}.") from error


def arrays_of(variables: list[Any], prefix: str) -> dict[str, npt.NDArray[Any]]:
    """Return the values of a network's or an optimiser's variables, by their places."""
    return {f"{prefix}{place:03d}": each.numpy() for place, each in enumerate(variables)}


def assign(variables: list[Any], arrays: dict[str, npt.NDArray[Any]], prefix: str) -> None:
    """Give variables the values that `arrays_of` returned.

    Raises:
        UnsuitableInput: One is missing or has another shape.
    """
    for place, each in enumerate(variables):
        value = arrays.get(f"{prefix}{place:03d}")
        if value is None or value.shape != tuple(each.shape):
            raise UnsuitableInput("The weights do not fit the network that they name.")
        each.assign(value)
