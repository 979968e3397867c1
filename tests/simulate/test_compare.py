"""Whole comparisons with real workers: complete, paired, the same again, and gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.simulate.drawn import draw_pictures

from limner.errors import Conflict, SettingsError
from limner.loop.service import Service
from limner.records.database import Records
from limner.registry import Registry
from limner.settings import ProjectConfig, ProjectSettings, Settings
from limner.simulate.arm_home import arm_engine
from limner.simulate.asked import Asked
from limner.simulate.compare import REPORT, Means, compare
from limner.simulate.curves import area_under
from limner.simulate.project_truth import labelled_project
from limner.simulate.results import FILE
from limner.simulate.work_items import WorkItem

pytestmark = [pytest.mark.live, pytest.mark.slow]

TINY = Path(__file__).parent.parent / "plugins" / "tiny_classifier.py"
DEADLINE_S = 120.0
ARMS = ["entropy-seed0", "entropy-seed1", "random-seed0", "random-seed1"]
TRAININGS = 2 + 4 * 2 + 2  # beginnings, arms, and the bounds of one seed


@dataclass
class Seen:
    """A display that remembers what it was told."""

    said: list[str] = field(default_factory=list)
    begun: list[tuple[int, int]] = field(default_factory=list)
    rounds: list[tuple[str, int]] = field(default_factory=list)
    titles: set[str] = field(default_factory=set)

    def say(self, text: str) -> None:
        self.said.append(text)

    def step(self, what: str, done: int, total: int) -> None:
        pass

    def begin(self, done: int, total: int) -> None:
        self.begun.append((done, total))

    def event(self, item: WorkItem, event: Mapping[str, Any]) -> None:
        if event["event"] == "round":
            self.rounds.append((item.key, event["round"]))
            self.titles.add(event["title"])


@dataclass(frozen=True)
class Done:
    """A comparison that was done, and what there is of it."""

    asked: Asked
    out: Path
    results: dict[str, Any]
    seen: Seen

    def arm(self, key: str) -> list[dict[str, Any]]:
        return rounds_of(self.out, key)


def rounds_of(out: Path, key: str) -> list[dict[str, Any]]:
    rounds: list[dict[str, Any]] = json.loads((out / "arms" / f"{key}.json").read_text())["rounds"]
    return rounds


def picked(out: Path) -> dict[str, list[list[str]]]:
    """What was labelled, by arm and round, in the order of labelling."""
    return {
        key: [[each["sample"] for each in r["picks"]] for r in rounds_of(out, key)] for key in ARMS
    }


def without_times(results: Mapping[str, Any]) -> dict[str, Any]:
    """Results but for the seconds that were measured."""
    kept = json.loads(json.dumps(results))
    for each in kept["strategies"].values():
        del each["overhead_seconds"]
    return dict(kept)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    images, table = draw_pictures(tmp_path_factory.mktemp("data"), 30)
    return Asked(
        images=images,
        truth=table,
        labels=["dark", "bright"],
        app="tiny-classifier",
        strategies=["random", "entropy"],
        settings={"validation_share": 0.0},
        plugins=(TINY,),
        test="split=test",
        start=6,
        batch=3,
        growth=1.5,
        rounds=3,
        seeds=2,
        bounds=1,
    )


@pytest.fixture(scope="module")
def done(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("results") / "out"
    seen = Seen()
    return Done(asked, out, compare(asked, out, Means(measure="balanced_accuracy"), seen), seen)


def test_a_comparison_has_its_numbers_its_pictures_and_its_report(done: Done) -> None:
    told = done.results
    assert json.loads((done.out / FILE).read_text(encoding="utf-8")) == json.loads(json.dumps(told))
    assert told["seeds"] == [0, 1]
    assert told["labels"] == [6, 9, 13]
    assert told["measure"]["name"] == "balanced_accuracy"
    assert told["test_cases"] == 10
    assert 0 < told["full_score"] <= 1
    assert set(told["strategies"]) == {"random", "entropy"}
    for each in told["strategies"].values():
        assert [point["labels"] for point in each["curve"]] == [6, 9, 13]
        assert set(each["labels_to"]) == {"90", "95", "98"}
        assert each["aubc"]["mean"] == pytest.approx(
            float(area_under([6, 9, 13], each["scores_by_seed"]).mean())
        )
    assert told["conclusion"].startswith("No difference was found")
    pictures = {path.stem for path in (done.out / "plots").glob("*.png")}
    assert {"learning-curves", "pairwise", "labels-to-target"} <= pictures
    page = (done.out / REPORT).read_text(encoding="utf-8")
    assert told["headline"] in page
    assert page.count("data:image/png;base64,") == len(pictures)


def test_every_training_is_told_once_by_the_measure_that_is_compared(done: Done) -> None:
    assert done.seen.begun == [(0, TRAININGS)]
    assert len(done.seen.rounds) == len(set(done.seen.rounds)) == TRAININGS
    assert done.seen.titles == {"balanced accuracy"}


def test_the_scores_are_those_that_the_records_hold(done: Done) -> None:
    for name in ("random", "entropy"):
        kept = [
            [
                each["test"]["metrics"]["balanced_accuracy"]
                for each in done.arm(f"{name}-seed{seed}")
            ]
            for seed in (0, 1)
        ]
        assert done.results["strategies"][name]["scores_by_seed"] == kept


def test_strategies_of_a_seed_begin_with_the_same_labels_and_weights(done: Done) -> None:
    picks = picked(done.out)
    for seed in (0, 1):
        random, entropy = picks[f"random-seed{seed}"], picks[f"entropy-seed{seed}"]
        assert random[0] == entropy[0]
        assert random[1:] != entropy[1:]
        first = [done.arm(f"{name}-seed{seed}")[0]["test"] for name in ("random", "entropy")]
        assert first[0] == first[1]
    assert picks["random-seed0"][0] != picks["random-seed1"][0]


def test_each_arm_labels_what_its_strategy_picks_and_nothing_of_the_test_set(done: Done) -> None:
    test = set(json.loads((done.out / "split.json").read_text())["test"])
    assert len(test) == 10
    for key in ARMS:
        rounds = done.arm(key)
        names = [each["sample"] for r in rounds for each in r["picks"]]
        assert [len(each["picks"]) for each in rounds] == [6, 3, 4]
        assert len(names) == len(set(names)) == 13
        assert not test & set(names)
        wanted = key.partition("-")[0]
        assert {each["strategy"] for r in rounds[1:] for each in r["picks"]} == {wanted}


def test_every_version_serves_and_is_measured_without_a_test_of_its_own(done: Done) -> None:
    for key in ARMS:
        rounds = done.arm(key)
        assert [each["version"] for each in rounds] == [1, 2, 3]
        assert [each["measured_version"] for each in rounds] == [1, 2, 3]


def test_what_is_done_is_not_done_again_and_other_measures_are_read_off_it(done: Done) -> None:
    before = {path: path.read_bytes() for path in done.out.glob("arms/*.json")}
    seen = Seen()
    told = compare(done.asked, done.out, Means(measure="score"), seen)
    assert seen.begun == [(TRAININGS, TRAININGS)]
    assert seen.rounds == []
    assert told["measure"] == {"name": "score", "title": "accuracy"}
    assert {path: path.read_bytes() for path in done.out.glob("arms/*.json")} == before
    with pytest.raises(SettingsError, match=r"no 'dice' for every version"):
        compare(done.asked, done.out, Means(measure="dice"), Seen())


def test_nothing_is_left_of_the_work_but_its_logs(done: Done) -> None:
    left = {path.suffix for path in (done.out / "work").rglob("*") if path.is_file()}
    assert left <= {".log"}


def command(asked: Asked, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "limner.cli", "simulate", str(asked.images), str(asked.truth),
        "--labels", "dark,bright", "--app", asked.app, "--plugin", str(TINY),
        "--strategies", "random,entropy", "--set", "validation_share=0", "--test", asked.test,
        "--start", "6", "--batch", "3", "--growth", "1.5", "--rounds", "3", "--seeds", "2",
        "--bounds", "1", "--measure", "balanced_accuracy", "--out", str(out),
    ]  # fmt: skip


def trained(out: Path) -> int:
    """How many trainings are on record."""
    count = 0
    for path in out.glob("*/*.json"):
        if path.parent.name in ("arms", "beginnings", "bounds"):
            rounds = json.loads(path.read_text())["rounds"]
            count += sum("begun" not in each for each in rounds)
    return count


def run_until(asked: Asked, out: Path, trainings: int, number: int) -> tuple[int, str]:
    """Start a comparison, and send it a signal once so many trainings are on record."""
    process = subprocess.Popen(
        command(asked, out),
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores interrupts, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + DEADLINE_S
    try:
        while trained(out) < trainings:
            assert process.poll() is None, "It ended before it was told to."
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, words = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    return process.returncode, words


def test_one_that_was_interrupted_and_killed_comes_to_the_same_in_the_end(
    done: Done, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, words = run_until(done.asked, out, 2, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in words
    after_interrupt = trained(out)
    assert 2 <= after_interrupt < TRAININGS
    code, _ = run_until(done.asked, out, after_interrupt + 2, signal.SIGKILL)
    assert code == -signal.SIGKILL
    seen = Seen()
    told = compare(done.asked, out, Means(measure="balanced_accuracy"), seen)
    ((already, total),) = seen.begun
    assert total == TRAININGS
    assert after_interrupt + 2 <= already < total
    assert len(seen.rounds) == total - already
    assert picked(out) == picked(done.out)
    assert without_times(told) == without_times(done.results)


def test_a_piece_that_fails_leaves_the_others_and_is_tried_again(
    asked: Asked, tmp_path: Path
) -> None:
    plugin, flag, out = tmp_path / "failing.py", tmp_path / "flag", tmp_path / "out"
    entry = "    def train(self, request: TrainRequest, watch: Watch) -> Trained:\n"
    failing = (
        f"        if Path({str(flag)!r}).exists() and len(request.train) == 9:\n"
        "            raise UnsuitableInput('Nine are unlucky.')\n"
    )
    source = TINY.read_text(encoding="utf-8")
    assert source.count(entry) == 1
    plugin.write_text(source.replace(entry, entry + failing), encoding="utf-8")
    wanted = replace(asked, plugins=(plugin,), bounds=0, seeds=1)
    flag.touch()
    seen = Seen()
    with pytest.raises(Conflict, match="No seed of the comparison"):
        compare(wanted, out, Means(parallel=1), seen)
    assert any("2 pieces of work failed" in each for each in seen.said)
    assert any("Nine are unlucky" in each for each in seen.said)
    assert seen.rounds == [("begun-by-random-seed0", 1)]
    flag.unlink()
    again = Seen()
    told = compare(wanted, out, Means(parallel=1), again)
    assert again.begun == [(1, 5)]
    assert sorted(again.rounds) == [
        ("entropy-seed0", 2), ("entropy-seed0", 3), ("random-seed0", 2), ("random-seed0", 3),
    ]  # fmt: skip
    assert told["seeds"] == [0]
    assert told["full_score"] is None


@pytest.fixture
def home(asked: Asked, tmp_path: Path) -> Iterator[Path]:
    """The home of a server where all pictures have been labelled."""
    folder = tmp_path / "home"
    assert isinstance(asked.truth, Path)
    registry = Registry((TINY,))
    config = ProjectConfig(
        name="xrays",
        app=asked.app,
        images=asked.images,
        labels=["dark", "bright"],
        adopt=asked.truth,
        settings=ProjectSettings(strategy="entropy", seed=5, validation_share=0.0),
    )
    settings = Settings(home=folder, plugins=(TINY,), projects=(config,))
    engine = arm_engine(registry, tmp_path / "logs", threads=1, device="cpu")
    service = Service(settings, Records.open(folder), engine, registry)
    try:
        service.start()
        deadline = time.monotonic() + DEADLINE_S
        while service.projects.get("xrays").labelled < 30:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        service.stop()
        engine.close()
    yield folder
    shutil.rmtree(folder)


def test_the_labels_of_a_project_are_a_truth_too(home: Path, asked: Asked, tmp_path: Path) -> None:
    before = {path for path in home.rglob("*") if "blobs" in path.parts}
    out = tmp_path / "out"
    ended = subprocess.run(
        [
            sys.executable, "-m", "limner.cli", "simulate", "--home", str(home), "--project",
            "xrays", "--plugin", str(TINY), "--strategies", "entropy", "--seeds", "1",
            "--rounds", "2", "--start", "4", "--batch", "4", "--bounds", "0",
            "--parallel", "1", "--out", str(out),
        ],
        capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "No difference was found" in ended.stdout
    assert str(out / REPORT) in ended.stdout
    told = json.loads((out / FILE).read_text(encoding="utf-8"))
    assert told["design"]["truth"] == "project xrays"
    assert told["design"]["app"] == "tiny-classifier"
    # Its settings are the project's, but for what the comparison decides itself.
    assert told["design"]["settings"] == {"validation_share": 0.0}
    assert told["pool"] + told["test_cases"] == 30
    assert {path for path in home.rglob("*") if "blobs" in path.parts} == before


def test_projects_that_are_not_there_or_have_no_label_are_refused(
    home: Path, tmp_path: Path
) -> None:
    assert len(labelled_project(home, "xrays").found) == 30
    with pytest.raises(SettingsError, match=r"no project 'scans' in .*; there are: xrays"):
        labelled_project(home, "scans")
    with pytest.raises(SettingsError, match="is no home of a Limner server"):
        labelled_project(tmp_path, "xrays")
    assert not list(tmp_path.glob("*.sqlite"))


def test_a_comparison_is_cut_to_the_time_that_there_is(asked: Asked, tmp_path: Path) -> None:
    wanted = replace(asked, seeds=10, bounds=0)
    with pytest.raises(SettingsError, match="min are too few"):
        compare(wanted, tmp_path / "short", Means(parallel=1, budget_s=0.5), Seen())
    assert not (tmp_path / "short" / "arms").exists()


def test_an_arm_opens_with_typical_images_by_their_pixels(asked: Asked, tmp_path: Path) -> None:
    opened = replace(asked, strategies=["random", "typiclust->entropy"], rounds=2, bounds=0)
    told = compare(opened, tmp_path / "out", Means(measure="balanced_accuracy"), Seen())
    assert set(told["strategies"]) == {"random", "typiclust→entropy"}
    for seed in range(2):
        first, second = rounds_of(tmp_path / "out", f"typiclust-then-entropy-seed{seed}")
        assert {each["strategy"] for each in first["picks"]} == {"typiclust"}
        assert all("typical" in each["reason"] for each in first["picks"])
        assert {each["strategy"] for each in second["picks"]} == {"entropy"}
        plain = rounds_of(tmp_path / "out", f"random-seed{seed}")[0]
        assert [each["sample"] for each in plain["picks"]] != [
            each["sample"] for each in first["picks"]
        ]


def test_trials_run_in_an_arm_as_they_do_in_a_project(
    asked: Asked, tmp_path_factory: pytest.TempPathFactory
) -> None:
    images, table = draw_pictures(tmp_path_factory.mktemp("more"), 75)
    tried = replace(
        asked,
        images=images,
        truth=table,
        strategies=["random", "auto"],
        strategy_options={"auto": {"strategies": ["entropy"], "control": 0.5}},
        settings={"validation_share": 0.34},
        start=15,
        batch=15,
        growth=1.0,
        seeds=1,
        bounds=0,
    )
    out = tmp_path_factory.mktemp("tried") / "out"
    told = compare(tried, out, Means(measure="balanced_accuracy"), Seen())
    _, second, _ = rounds_of(out, "auto-seed0")
    arms = [each["arm"] for each in second["picks"] if each["purpose"] == "training"]
    assert arms.count("entropy") == arms.count("random") == len(arms) / 2
    assert second["seconds"]["trial"] > 0
    assert told["strategies"]["auto"]["overhead_seconds"]["trial"] > 0
    assert told["strategies"]["random"]["overhead_seconds"]["trial"] == 0
    assert [(each["arm"], each["trials"]) for each in second["arms"]] == [
        ("random", 0),
        ("entropy", 1),
    ]


def test_a_strategy_that_is_measured_needs_a_validation_set(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'auto' goes by what trials measure on a validation"):
        compare(replace(asked, strategies=["auto"]), tmp_path / "out", Means(), Seen())
