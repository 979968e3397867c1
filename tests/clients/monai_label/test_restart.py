"""What the real client was told of lasts: after a server was killed, everything is as it was."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import nibabel
import psutil
from tests.clients.conftest import PARTS
from tests.clients.monai_label.conftest import NewClient, RealClient
from tests.conftest import ROOT
from tests.http.conftest import wait_for

from limner.simulate import ServerProcess

CASES = ("hippocampus_001", "hippocampus_003", "hippocampus_004", "hippocampus_006")


def serve(folder: Path) -> ServerProcess:
    arguments = [
        str(folder / "scans"),
        *("--app", "clicking", "--labels", ",".join(PARTS), "--retrain-every", "0"),
        *("--strategy", "random"),
        *("--plugin", str(ROOT / "tests" / "plugins" / "clicking.py")),
    ]
    return ServerProcess(arguments, home=folder / "home")


def kill(server: ServerProcess) -> None:
    process = psutil.Process(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    process.wait(10)


def state(client: RealClient, session: str) -> dict[str, Any]:
    return {
        "info": client.info(),
        "datastore": client.datastore(),
        "train": client.train_status(),
        "session": client.get_session(session),
    }


def unfinished(url: str) -> list[Any]:
    """The jobs that are still at work, as they store predictions in the meantime."""
    answer = httpx.get(f"{url}/api/v1/projects/scans/jobs").raise_for_status().json()
    return [each for each in answer["items"] if each["state"] in ("queued", "running")]


def test_labels_tags_notes_trainings_sessions_and_what_is_lent_outlive_the_server(
    connect: NewClient, hippocampus: Path, turned: Path, tmp_path: Path
) -> None:
    (tmp_path / "scans").mkdir()
    for name in CASES:
        shutil.copy(hippocampus / "images" / f"{name}.nii.gz", tmp_path / "scans")
    truth = {name: hippocampus / "labels" / f"{name}.nii.gz" for name in CASES}
    with serve(tmp_path) as server:
        client = connect(server.url, "ada")
        for name in CASES[:2]:
            client.save_label(name, str(truth[name]), params={"label_info": [{"name": "anterior"}]})
        client.save_label(CASES[0], str(truth[CASES[0]]), tag="version_1", params={"level": "easy"})
        client.upload_image(str(turned), "brought", {"scanner": "B"})
        client.train_start("clicking", {})
        wait_for(lambda: client.train_status()["status"] == "DONE")
        session = client.create_session(str(turned))["session_id"]
        lent = client.next_sample("first", {})["id"]
        wait_for(lambda: not unfinished(server.url))
        before = state(client, session)
        kill(server)

    with serve(tmp_path) as server:
        client = connect(server.url, "ada")
        assert state(client, session) == before
        noted = before["datastore"]["objects"]
        assert noted["brought"]["image"]["info"]["scanner"] == "B"
        assert noted[CASES[0]]["labels"]["version_1"]["info"]["level"] == "easy"
        for name, tag in ((CASES[0], "final"), (CASES[1], "final"), (CASES[0], "version_1")):
            assert Path(client.download_label(name, tag)).read_bytes() == truth[name].read_bytes()
        drawn, _ = client.infer("clicking", "", {}, session_id=session)
        assert nibabel.load(drawn).shape == nibabel.load(turned).shape
        others = [connect(server.url, "bob").next_sample("first", {}).get("id") for _ in range(3)]
        assert lent not in others
        assert sum(each is not None for each in others) == 2
