"""Doing one piece of work in this process: a beginning, an arm, or a bound."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from limner.errors import SettingsError
from limner.home import HomeInUse, HomeLock
from limner.registry import Registry
from limner.simulate.arm import Arm, Material
from limner.simulate.arm_engine import ArmEngine
from limner.simulate.arm_home import arm_service
from limner.simulate.arm_watch import ArmWatch
from limner.simulate.bounds import train_bound
from limner.simulate.design import Kept
from limner.simulate.record import Record
from limner.simulate.split import Split
from limner.simulate.truth import Truth
from limner.simulate.work_items import WorkItem

_LOCKED_S = 60.0
"""How long a home may still be held by a process that is ending."""


def material_of(out: Path) -> Material:
    """Read what every piece of work shares.

    Raises:
        SettingsError: The folder of results lacks it.
    """
    kept = Kept.load(out)
    truth = None if kept is None else Truth.load(out, kept.fitted.truth_digest)
    if kept is None or truth is None:
        raise SettingsError(f"{out} holds no comparison that has been prepared.")
    return Material(design=kept.fitted, truth=truth, split=Split.load(out))


def do_work(
    out: Path,
    item: WorkItem,
    material: Material,
    engine: ArmEngine,
    registry: Registry,
    watch: ArmWatch,
) -> None:
    """Do a piece of work as far as it is not done, and keep what it brings.

    Raises:
        Stopped: The watch said so; it goes on from there at the next time.
        LimnerError: It failed.
    """
    record = Record.load(item.record(out), item.as_json(), material.design.digest)
    folder = item.work(out)
    if item.kind == "bound":
        engine.start()
        train_bound(engine, material, item, record, watch, folder)
        return
    home = folder / "home"
    if item.kind == "arm" and not home.is_dir():
        record = _begun(out, item, material, home)
    with _locked(home, watch):
        service = arm_service(material.design, item, home, engine, registry)
        try:
            service.start()
            Arm(service, engine, material, item, record, watch).run()
        finally:
            service.stop()


def _begun(out: Path, item: WorkItem, material: Material, home: Path) -> Record:
    """Copy the beginning of an arm: its home and its first round."""
    begun = out / "work" / item.after / "home"
    kept = Record.load(out / "beginnings" / f"{item.after}.json", {}, material.design.digest)
    if not begun.is_dir() or not kept.rounds:
        raise SettingsError(f"The beginning {item.after} of arm {item.key} is not there.")
    record = Record(item.record(out), item.as_json(), material.design.digest)
    record.rounds = [{**kept.rounds[0], "begun": item.after}]
    beside = home.with_name("home.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(begun, beside, ignore=shutil.ignore_patterns("limner.lock"))
    record.save()
    beside.replace(home)
    return record


def _locked(home: Path, watch: ArmWatch) -> HomeLock:
    """Wait for a home that an ending process may still hold; whoever uses it takes the lock."""
    deadline = time.monotonic() + _LOCKED_S
    while time.monotonic() < deadline:
        with suppress(HomeInUse), HomeLock(home):
            break
        watch.wait(0.2)
    return HomeLock(home)
