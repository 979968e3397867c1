"""The built OHIF viewer that comes with MONAI Label's package, served by Limner."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.clients.conftest import PARTS, serving
from tests.clients.monai_label.conftest import CLIENT_PYTHON

from limner.settings import MonaiLabelSettings


@pytest.fixture(scope="module")
def built(client_process: subprocess.Popen[str]) -> Path:
    """Folder of the viewer; asking for the client's process has shown that it is there."""
    assert client_process.poll() is None
    code = "import monailabel; print(monailabel.__path__[0])"
    ran = subprocess.run(
        [CLIENT_PYTHON, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    return Path(ran.stdout.strip()) / "endpoints" / "static" / "ohif"


@pytest.fixture(scope="module")
def viewer(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Speaks to a server that has the viewer."""
    settings = MonaiLabelSettings(ohif=built)
    with serving(tmp_path_factory.mktemp("viewer"), monai_label=settings) as site:
        site.project("clicking", PARTS, [])
        with httpx.Client(base_url=site.url, timeout=60) as http:
            yield http


def test_everything_that_its_page_loads_is_there(viewer: httpx.Client, built: Path) -> None:
    page = viewer.get("/ohif/").raise_for_status()
    assert page.content == (built / "index.html").read_bytes()
    assert page.headers["Content-Type"].startswith("text/html")
    wanted = set(re.findall(r'(?:src|href)="(/ohif/[^"]+)"', page.text))
    assert len(wanted) > 3
    # What a browser runs must be said to be what it is.
    kinds = {".js": "javascript", ".css": "text/css", ".png": "image/png", ".wasm": "wasm"}
    paths = [*wanted, *(f"/ohif/{each}" for each in inner(built))]
    for path in paths:
        answer = viewer.get(path).raise_for_status()
        file = built / path.removeprefix("/ohif/").partition("?")[0]
        assert answer.content == file.read_bytes(), path
        assert kinds.get(file.suffix, "") in answer.headers["Content-Type"], path
        assert "Content-Security-Policy" not in answer.headers


def inner(built: Path) -> list[str]:
    """Some files that the page's scripts load later, in folders too."""
    bundles = sorted(built.glob("*.bundle.*.js"))[:2]
    modules = sorted(built.rglob("*.wasm"))[:2]
    return [
        each.relative_to(built).as_posix()
        for each in [*bundles, *modules, *sorted((built / "assets").glob("*.png"))[:1]]
    ]


def test_the_viewers_own_paths_are_its_page(viewer: httpx.Client, built: Path) -> None:
    page = (built / "index.html").read_bytes()
    for path in ("/ohif/viewer?StudyInstanceUIDs=1.2.3", "/ohif/monai-label", "/ohif"):
        assert viewer.get(path).raise_for_status().content == page


@pytest.mark.parametrize("path", ["/ohif/../../../_version.py", "/ohif/..%2f..%2f..%2f_version.py"])
def test_nothing_outside_of_its_folder_is_served(viewer: httpx.Client, path: str) -> None:
    answer = viewer.get(path)
    assert answer.status_code in {200, 404}
    assert b"version_json" not in answer.content


def test_its_client_asks_for_what_the_other_tests_send(built: Path) -> None:
    """Should a later viewer ask otherwise, `tests/clients/viewers/axios.py` is to follow."""
    text = "".join(each.read_text() for each in built.glob("*.bundle.*.js"))
    start = text.index("class MonaiLabelClient")
    client = re.sub(r"\s+", " ", text[start : start + 3000])
    for said in (
        "result_extension = '.nrrd', output = 'image'",
        "params.result_dtype = 'uint8'",
        "params.result_compress = false",
        "params.restore_label_idx = false",
        "'label.bin'",
        "response.data.status === 'RUNNING'",
    ):
        assert said in client
