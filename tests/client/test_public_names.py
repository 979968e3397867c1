"""What the client is, from outside."""

from __future__ import annotations

import subprocess
import sys

import limner.client


def test_public_names_are_listed_in_order_and_are_there() -> None:
    names = limner.client.__all__
    assert names == sorted(names)
    assert all(hasattr(limner.client, name) for name in names)


def test_the_client_loads_nothing_of_the_server() -> None:
    code = (
        "import sys, limner.client\n"
        "print(*sorted(m for m in sys.modules if m.startswith('limner.')))\n"
        "print(*sorted(m for m in ('numpy', 'flask', 'sqlalchemy', 'torch') if m in sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    ours, foreign = found.stdout.split("\n")[:2]
    others = {each for each in ours.split() if not each.startswith("limner.client")}
    assert all(each.startswith("limner.plugin") for each in others)
    assert not {"flask", "sqlalchemy", "torch"} & set(foreign.split())
