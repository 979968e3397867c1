"""The real client against a server with a token: the password is the token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import pytest
from tests.clients.conftest import PARTS, Project, Site, serving
from tests.clients.monai_label.conftest import NewClient, Raised, RealClient

TOKEN = "a token + more, of 1/2 & 100%"


@pytest.fixture(scope="module")
def guarded(hippocampus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a model, on a server with a token."""
    names = ("hippocampus_001.nii.gz", "hippocampus_003.nii.gz", "hippocampus_004.nii.gz")
    adopt = tmp_path_factory.mktemp("adopt")
    for name in names[:2]:
        (adopt / name).write_bytes((hippocampus / "labels" / name).read_bytes())
    images = [hippocampus / "images" / name for name in names]
    with serving(tmp_path_factory.mktemp("guarded"), token=TOKEN) as site:
        project = site.project("clicking", PARTS, images, adopt)
        project.train()
        yield project


@pytest.fixture
def logged_in(connect: NewClient, guarded: Project) -> RealClient:
    client = connect(guarded.url, "ada")
    client.update_auth(client.auth_token("anybody", TOKEN))
    return client


def test_a_server_without_a_token_says_so(connect: NewClient, site: Site) -> None:
    project = site.project("clicking", PARTS, [])
    client = connect(project.url)
    assert client.auth_enabled() is False
    assert client.auth_valid_token() is True
    with pytest.raises(Raised, match="no token"):
        client.auth_token("ada", "anything")


def test_the_password_is_exchanged_for_the_token(connect: NewClient, guarded: Project) -> None:
    client = connect(guarded.url, "ada")
    assert client.auth_enabled() is True
    assert client.auth_valid_token() is False
    token = client.auth_token("ada", TOKEN)
    assert token == {"access_token": TOKEN, "token_type": "bearer"}
    client.update_auth(token)
    assert client.auth_valid_token() is True


@pytest.mark.parametrize("password", ["guessed", TOKEN.upper(), TOKEN[:-1], "ä" * 500])
def test_a_wrong_password_gets_no_token(
    connect: NewClient, guarded: Project, password: str
) -> None:
    client = connect(guarded.url, "ada")
    with pytest.raises(Raised, match="password is wrong") as raised:
        client.auth_token("ada", password)
    assert raised.value.status == 401
    assert password not in raised.value.message
    client.update_auth({"access_token": "wrong", "token_type": "bearer"})
    assert client.auth_valid_token() is False


Call = Callable[[RealClient, str], Any]
CALLS: dict[str, Call] = {
    "info": lambda client, _: client.info(),
    "next_sample": lambda client, _: client.next_sample("random", {}),
    "create_session": lambda client, file: client.create_session(file),
    "get_session": lambda client, _: client.get_session("0" * 32),
    "upload_image": lambda client, file: client.upload_image(file, "new"),
    "save_label": lambda client, file: client.save_label("hippocampus_004", file),
    "datastore": lambda client, _: client.datastore(),
    "download_label": lambda client, _: client.download_label("hippocampus_001", "final"),
    "infer": lambda client, _: client.infer("clicking", "hippocampus_001", {}),
    "wsi_infer": lambda client, _: client.wsi_infer("clicking", "hippocampus_001"),
    "train_start": lambda client, _: client.train_start("clicking", {}),
    "train_stop": lambda client, _: client.train_stop(),
    "train_status": lambda client, _: client.train_status(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_the_token_nothing_is_answered_or_changed(
    connect: NewClient, guarded: Project, turned: Path, call: Call
) -> None:
    before = (guarded.samples(), guarded.labelled(), guarded.versions())
    with pytest.raises(Raised, match="asks for its token"):
        call(connect(guarded.url, "eve"), str(turned))
    assert (guarded.samples(), guarded.labelled(), guarded.versions()) == before
    assert guarded.held("eve") == []


@pytest.mark.timeout(60)
def test_what_is_read_after_something_was_sent_does_not_hang(
    logged_in: RealClient, guarded: Project, turned: Path, hippocampus: Path
) -> None:
    """A logged in client repeats type and length of what it sent in every later request.

    A server that waits for these bytes waits for ever.
    """
    client = logged_in
    given = client.next_sample("first", {})["id"]
    assert given == "hippocampus_004"
    for _ in range(2):
        assert client.info()["datastore"]["total"] >= 3
        assert client.train_status(check_if_running=True) is False
    drawn, _ = client.infer("clicking", given, {})
    assert nibabel.load(drawn).shape == nibabel.load(guarded.image(given)).shape
    label = hippocampus / "labels" / f"{given}.nii.gz"
    client.save_label(given, str(label))
    assert guarded.label_bytes(given) == label.read_bytes()
    assert Path(client.download_label(given, "final")).read_bytes() == label.read_bytes()
    client.upload_image(str(turned), "brought")
    assert "brought" in client.datastore()["objects"]
    assert guarded.image("brought").read_bytes() == turned.read_bytes()
    assert client.train_stop() is None
    assert client.auth_valid_token() is True


def test_a_session_is_made_by_a_client_that_has_sent_nothing_yet(
    logged_in: RealClient, connect: NewClient, guarded: Project, turned: Path
) -> None:
    session = logged_in.create_session(str(turned))["session_id"]
    assert logged_in.get_session(session)["name"] == session
    drawn, _ = logged_in.infer("clicking", "", {}, session_id=session)
    assert nibabel.load(drawn).shape == nibabel.load(turned).shape
    # From now on it says that its forms have the boundary of the one it sent before: no server
    # can read such a form, and this one says so.
    with pytest.raises(Raised) as raised:
        logged_in.create_session(str(turned))
    assert raised.value.status in {400, 415, 422}
    # It removes a session all the same; 3D Slicer makes a new client for each call.
    assert logged_in.remove_session(session)["name"] == session


def test_outlines_of_a_slide_are_refused_as_the_client_sends_no_token_for_them(
    logged_in: RealClient,
) -> None:
    with pytest.raises(Raised, match=r"Status: 401.*asks for its token"):
        logged_in.wsi_infer("clicking", "hippocampus_001")
