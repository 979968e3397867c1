"""Sessions through the real client: an image for a while, which is no sample."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.clients.conftest import Project
from tests.clients.monai_label.conftest import NewClient, Raised


def test_a_session_holds_the_very_file_until_it_is_removed(
    connect: NewClient, volumes: Project, turned: Path
) -> None:
    client, before = connect(volumes.url, "ada"), volumes.samples()
    made = client.create_session(str(turned))
    session, info = made["session_id"], made["session_info"]
    assert client.get_session(session) == info
    assert info["name"] == session
    kept = Path(info["image"])
    assert kept.name == "turned.nii.gz"
    assert kept.read_bytes() == turned.read_bytes()
    image = httpx.get(f"{volumes.url}/session/{session}", params={"image": "true"})
    assert image.content == turned.read_bytes()
    assert volumes.samples() == before

    assert client.remove_session(session)["name"] == session
    assert not kept.exists()
    for gone in (client.get_session, client.remove_session):
        with pytest.raises(Raised, match="Not Found") as raised:
            gone(session)
        assert raised.value.status == 404


def test_a_session_is_not_seen_in_another_project(
    connect: NewClient, volumes: Project, cells: Project, turned: Path
) -> None:
    session = connect(volumes.url).create_session(str(turned))["session_id"]
    with pytest.raises(Raised, match="Not Found"):
        connect(cells.url).get_session(session)
    with pytest.raises(Raised, match="Status: 404"):
        connect(cells.url).infer("tiny-instances", "", {}, session_id=session)


@pytest.mark.parametrize("session", ["none", "../../etc/passwd", "a b+c", "ü" * 60])
def test_a_session_that_there_is_not_is_an_error_that_says_so(
    connect: NewClient, volumes: Project, session: str
) -> None:
    client = connect(volumes.url)
    with pytest.raises(Raised) as raised:
        client.get_session(session)
    assert raised.value.status == 404
    with pytest.raises(Raised, match=r"Status: 404.*Session"):
        client.infer("clicking", "hippocampus_001", {}, session_id=session)


def test_a_session_of_a_file_that_is_no_image_cannot_be_predicted(
    connect: NewClient, volumes: Project, tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no image")
    session = connect(volumes.url).create_session(str(file))["session_id"]
    with pytest.raises(Raised, match=r"Status: 422.*images"):
        connect(volumes.url).infer("clicking", "", {}, session_id=session)
