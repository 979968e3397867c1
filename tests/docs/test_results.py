"""The committed results are whole, and the page says what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "results"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[each.stem for each in FILES])
def test_a_result_has_its_curves_areas_and_labels_to_each_share(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["seeds"]) >= 3
    assert 0 < found["full_score"] <= 1
    assert any(each["is_random"] for each in found["strategies"].values())
    for told in found["strategies"].values():
        for point in told["curve"]:
            assert point["low"] <= point["mean"] <= point["high"]
        assert [point["labels"] for point in told["curve"]] == found["labels"]
        assert told["aubc"]["low"] <= told["aubc"]["mean"] <= told["aubc"]["high"]
        ratio = told["labels_to"]["95"]["ratio_to_random"]
        assert {"estimate", "low", "high"} <= set(ratio)
    assert "/" not in found["design"]["images"].split("/images")[0]


@pytest.mark.parametrize("path", FILES, ids=[each.stem for each in FILES])
def test_the_page_is_written_from_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "result_tables", raising=False)
    from result_tables import results_table  # type: ignore[import-not-found]

    found = json.loads(path.read_text(encoding="utf-8"))
    text = "\n".join(results_table(path.stem))
    assert found["conclusion"] in text
    for name in found["strategies"]:
        assert text.count(f"| `{name}` |") == 2
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert f"<!-- results `{path.stem}` -->" in page
    assert f"({path.name})" in page
