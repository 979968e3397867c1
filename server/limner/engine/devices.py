"""Which device a worker uses. Asked in workers only: finding out may load drivers."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import platform

log = logging.getLogger(__name__)

_CUDA_LIBRARIES = ("libcuda.so.1", "libcuda.so", "nvcuda.dll")


def devices_for(setting: str) -> tuple[str, ...]:
    """List the devices that a setting stands for, best first, at least one.

    Args:
        setting: `auto` takes every GPU, else Apple's, else the processor. `cuda` takes every GPU.
            Any other word is one device, taken at its word.
    """
    if setting not in ("auto", "cuda"):
        return (setting,)
    count = _cuda_devices()
    if count:
        return tuple(f"cuda:{index}" for index in range(count))
    if setting == "cuda":
        log.warning("The settings ask for cuda, but no CUDA device was found.")
        return ("cuda:0",)  # the model's own error then says what is missing
    return ("mps",) if _has_apple_gpu() else ("cpu",)


def _cuda_devices() -> int:
    """Count the GPUs that the driver shows, honouring CUDA_VISIBLE_DEVICES.

    The driver is asked first because that takes a moment; the large library that most models use
    is asked only where there is a GPU, since it may be a build without support for it.
    """
    count = _driver_devices()
    if count == 0 or importlib.util.find_spec("torch") is None:
        return count
    cuda = importlib.import_module("torch").cuda
    return int(cuda.device_count()) if cuda.is_available() else 0


def _driver_devices() -> int:
    for name in _CUDA_LIBRARIES:
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    return 0


def _has_apple_gpu() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"
