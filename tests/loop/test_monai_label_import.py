"""Taking over a studies folder: what becomes of images, labels, tags, authors and times."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.stores.studies_writing import SHAPE, TS, StudiesWriter

from limner.errors import SettingsError
from limner.loop.monai_label_classes import classes_of
from limner.loop.monai_label_import import Imported, MonaiLabelImport
from limner.loop.tags import MOST_REMARKS
from limner.settings import Limits
from limner.stores.monai_label_folder import final_labels, read_studies


@pytest.fixture
def studies(house: Any) -> StudiesWriter:
    return StudiesWriter(house.images)


@pytest.fixture
def imported(house: Any, studies: StudiesWriter) -> Callable[..., Imported]:
    """Take the folder over, after making the project the first time."""

    def run(**settings: Any) -> Imported:
        settings = {"validation_share": 0, **settings}
        before = studies.snapshot()
        config = house.config(
            settings=settings, labels=["liver", "tumour"], adopt=final_labels(studies.root)
        )
        house.projects.open_all([config])
        importer = MonaiLabelImport(
            house.records, house.projects, house.ingest, house.labels, house.clock
        )
        seen: list[int] = []
        found = read_studies(studies.root)
        done = importer.run("liver", found, on_label=lambda: seen.append(1))
        assert len(seen) == len(found.labels)
        assert studies.snapshot() == before, "nothing in the folder is ever changed"
        assert house.kept_counts() == house.scanned_counts()
        return done

    return run


def tallies(done: Imported) -> dict[str, tuple[int, int, int]]:
    return {tag: (each.taken, each.known, each.left) for tag, each in done.labels.items()}


def sample(house: Any, name: str) -> Any:
    return house.samples.named("liver", name)


def kept(house: Any, name: str, tag: str = "") -> Any:
    return house.tags.find("liver", sample(house, name).id, tag)


def test_everything_is_taken_over_with_who_drew_it_and_when(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    done = imported()
    assert (done.images, done.unreadable, done.problems) == (3, 0, {})
    assert tallies(done) == {"final": (2, 0, 0), "original": (1, 0, 0)}
    final = kept(house, "case0")
    path = studies.root / "labels" / "final" / "case0.nii.gz"
    assert (final.label.state, final.label.author, final.label.created_at) == (
        "submitted",
        "ada",
        TS + 1,
    )
    assert final.label.adopted_from == str(path)
    assert house.labels.content(final.label.id)[0].read_bytes() == path.read_bytes()
    assert final.remarks == studies.objects["case0"]["labels"]["final"]["info"]
    assert kept(house, "case1").label.author == "bob"
    draft = kept(house, "case0", "original")
    assert (draft.label.state, draft.label.author, draft.label.tag) == (
        "draft",
        "adopted",
        "original",
    )
    assert draft.remarks["params"]["label_names"] == {"background": 0, "liver": 1}
    states = {each.name: each.state for each in house.samples.list("liver").items}
    assert states == {"case0": "labelled", "case1": "labelled", "case2": "ready"}
    assert (
        house.tags.remarks(sample(house, "case2").id) == studies.objects["case2"]["image"]["info"]
    )
    assert house.retrain.told == [("liver", 2)]
    assert "labels.imported" in house.audited()


def test_a_second_time_changes_nothing(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    with house.records.read() as tx:
        before = list(tx.exec_driver_sql("SELECT * FROM labels ORDER BY id"))
    house.clock.now += 1000
    done = imported()
    assert tallies(done) == {"final": (0, 2, 0), "original": (0, 1, 0)}
    with house.records.read() as tx:
        assert list(tx.exec_driver_sql("SELECT * FROM labels ORDER BY id")) == before
    assert house.audited().count("labels.imported") == 1
    assert house.ingest.sync("liver").adopted == 0


def test_what_came_since_is_taken_in_the_next_time(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    studies.image("case3")
    studies.label("case3", fill=2, client_id="cy")
    studies.label("case2", "version_1", fill=1, client_id="cy")
    studies.label("case0", fill=2, client_id="cy")
    studies.document()
    done = imported()
    assert tallies(done) == {"final": (2, 1, 0), "original": (0, 1, 0), "version_1": (1, 0, 0)}
    assert [each.author for each in house.labels.list("liver", sample(house, "case0").id)] == [
        "cy",
        "ada",
        "adopted",
    ]


def test_labels_by_several_tags_are_all_kept(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.image("a")
    for fill, tag in enumerate(("original", "version_1", "version_2", "final"), 1):
        studies.label("a", tag, fill=min(fill, 2), client_id=tag)
    studies.document()
    imported()
    assert house.tags.counts("liver") == {"original": 1, "version_1": 1, "version_2": 1}
    authors = {tag: kept(house, "a", tag).label.author for tag in ("", "original", "version_2")}
    assert authors == {"": "final", "original": "original", "version_2": "version_2"}
    assert house.labels.list("liver", sample(house, "a").id)[0].tag == ""


@pytest.mark.parametrize(
    "client_id", [None, "", "   ", 7, ["ada"], "a\x00b", "x" * 201, {"name": "ada"}]
)
def test_an_author_that_is_no_name_is_left_out(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported], client_id: Any
) -> None:
    studies.image("a")
    studies.label("a", client_id=client_id)
    studies.document()
    assert tallies(imported()) == {"final": (1, 0, 0)}
    assert kept(house, "a").label.author == "adopted"
    assert kept(house, "a").remarks["client_id"] == client_id


@pytest.mark.parametrize(
    "ts", [None, "yesterday", True, -5, 0, 10**12, 10**400, 1e300, float("nan")]
)
def test_a_time_that_cannot_be_is_now(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported], ts: Any
) -> None:
    studies.image("a")
    studies.label("a", ts=ts)
    studies.document()
    assert tallies(imported()) == {"final": (1, 0, 0)}
    assert kept(house, "a").label.created_at == house.clock()


def test_without_a_document_labels_are_taken_from_the_folders(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    studies.document().write_bytes(b"")
    done = imported()
    assert tallies(done) == {"final": (2, 0, 0), "original": (1, 0, 0)}
    assert "nothing is known of authors" in done.problems["datastore_v2.json"]
    assert kept(house, "case0").label.author == "adopted"


def test_authors_that_become_known_later_are_taken_over(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    whole = (studies.root / "datastore_v2.json").read_bytes()
    studies.document().write_bytes(b"")
    imported()
    (studies.root / "datastore_v2.json").write_bytes(whole)
    assert tallies(imported())["final"] == (2, 0, 0)
    assert kept(house, "case0").label.author == "ada"
    assert tallies(imported())["final"] == (0, 2, 0)
    assert house.ingest.sync("liver").adopted == 0


def test_a_persons_label_is_never_put_aside(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    mine = house.submit(sample(house, "case0").id, "me", fill=2).label
    original = house.submit(
        sample(house, "case0").id, "me", fill=2, state="draft", tag="original"
    ).label
    studies.label("case0", fill=2, client_id="late")
    studies.label("case0", "original", fill=2, client_id="late")
    studies.document()
    assert tallies(imported()) == {"final": (0, 2, 0), "original": (0, 1, 0)}
    assert kept(house, "case0").label.id == mine.id
    assert kept(house, "case0", "original").label.id == original.id


def test_what_was_taken_back_here_does_not_come_again(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    for tag in ("", "original"):
        house.tags.withdraw("liver", sample(house, "case0").id, tag, "chief")
    assert tallies(imported()) == {"final": (0, 2, 0), "original": (0, 1, 0)}
    assert kept(house, "case0") is None
    assert kept(house, "case0", "original") is None
    assert house.ingest.sync("liver").adopted == 0


def test_a_share_of_the_labels_joins_the_validation_set(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    for number in range(20):
        studies.image(f"case{number:02d}")
        studies.label(f"case{number:02d}", client_id="ada")
    studies.document()
    imported(validation_share=0.3, validation_target=4)
    samples = house.samples.list("liver").items
    drawn = {each.name for each in samples if each.is_validation}
    assert drawn == {each.name for each in samples if each.draw >= 1 - 4 / 20}
    assert drawn
    assert house.projects.get("liver").validation == len(drawn)


# What cannot be taken in


def test_labels_that_do_not_fit_are_said_and_stay(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    for number in range(6):
        studies.image(f"case{number}")
    studies.label("case0", shape=(5, 4, 2))
    studies.label("case1", fill=9)
    studies.label("case2", "final", ".xml")
    studies.label("case3", "original", fill=7)
    studies.label("case4", "original", ".bin")
    studies.file("labels/final/case5.nii.gz", b"broken")
    studies.file("labels/bad..tag/case0.nii.gz", b"")
    studies.document()
    done = imported()
    words = {
        "labels/final/case0.nii.gz": "shape (5, 4, 2)",
        "labels/final/case1.nii.gz": "holds the values 9",
        "labels/final/case2.xml": "says no format",
        "labels/final/case5.nii.gz": "case5.nii.gz",
        "labels/original/case3.nii.gz": "holds the values 7",
        "labels/original/case4.bin": "says no format",
        "labels/bad..tag/case0.nii.gz": "tag is 'bad..tag'",
    }
    assert set(done.problems) == set(words)
    for place, each in words.items():
        assert each in done.problems[place]
    assert {tag: each.left for tag, each in done.labels.items()} == {
        "final": 4,
        "original": 2,
        "bad..tag": 1,
    }
    assert house.projects.get("liver").labelled == 0


def test_a_label_whose_image_cannot_be_read_is_said(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    studies.file("case0.nii.gz", b"broken")
    done = imported()
    assert (done.images, done.unreadable) == (3, 1)
    assert done.problems == {
        "labels/final/case0.nii.gz": "A label whose image is unreadable.",
        "labels/original/case0.nii.gz": "A label whose image is unreadable.",
    }
    assert tallies(done) == {"final": (1, 0, 1), "original": (0, 0, 1)}


def test_an_older_format_of_a_label_never_takes_its_place(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    """Its server leaves the old file when a label comes back in another format."""
    studies.image("a")
    for tag in ("final", "original"):
        old = studies.label("a", tag, ".nii", fill=2, is_listed=False)
        os.utime(old, ns=(1, 1_000_000_000))
        studies.label("a", tag, ".nii.gz", fill=1, client_id="ada")
    studies.document()
    done = imported()
    assert tallies(done) == {"final": (1, 0, 1), "original": (1, 0, 1)}
    assert done.problems["labels/final/a.nii"] == "A second label of image 'a'."
    assert done.problems["labels/original/a.nii"] == "A second label of image 'a'."
    assert kept(house, "a").label.format == ".nii.gz"
    assert house.ingest.sync("liver").adopted == 0
    os.utime(studies.root / "labels" / "final" / "a.nii")
    assert house.ingest.sync("liver").adopted == 1, "unless it is the newer one"


def test_notes_that_are_too_large_are_said_and_the_label_is_taken(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.image("a", much="x" * MOST_REMARKS)
    studies.label("a", client_id="ada", much="x" * MOST_REMARKS)
    studies.document()
    done = imported()
    assert tallies(done) == {"final": (1, 0, 0)}
    assert set(done.problems) == {"a.nii.gz", "labels/final/a.nii.gz, its notes"}
    assert kept(house, "a").label.author == "ada"
    assert kept(house, "a").remarks == {}


def test_notes_made_here_are_not_overwritten(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    house.tags.remark_sample("liver", sample(house, "case2").id, {"name": "mine", "level": 1})
    imported()
    noted = house.tags.remarks(sample(house, "case2").id)
    assert (noted["name"], noted["level"], noted["ts"]) == ("mine", 1, TS)


def test_channels_of_a_sample_are_found_by_their_files(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        studies.image(name)
    studies.label("a_0000", client_id="ada")
    studies.label("b_0001", "version_1")
    studies.document()
    done = imported()
    assert done.problems == {}
    assert kept(house, "a").label.author == "ada"
    assert kept(house, "b", "version_1") is not None


def test_a_label_that_is_dropped_there_later_is_adopted_when_it_is_told(
    house: Any, studies: StudiesWriter, imported: Callable[..., Imported]
) -> None:
    studies.usual()
    imported()
    studies.label("case2", is_listed=False)
    assert house.ingest.sync_paths("liver", ["labels/final/case2.nii.gz"]).adopted == 1
    assert kept(house, "case2").label.author == "adopted"
    studies.label("case2", "original", is_listed=False)
    report = house.ingest.sync_paths("liver", ["labels/original/case2.nii.gz"])
    assert (report.adopted, report.tally.new) == (0, 0)


# Classes


def classes(studies: StudiesWriter) -> dict[str, int]:
    studies.document()
    return classes_of(read_studies(studies.root), Limits())


def test_classes_are_what_the_labels_say_of_themselves(studies: StudiesWriter) -> None:
    assert classes(studies.usual()) == {"liver": 1, "tumour": 2}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"liver": 1, "background": 0, "tumour": 4}, {"liver": 1, "tumour": 4}),
        (["liver", "tumour"], {"liver": 1, "tumour": 2}),
        (["background", "liver", "tumour"], {"liver": 1, "tumour": 2}),
        ({"Background": 3, "liver": "2", "odd": None, "more": 1.5, "": 9}, {"liver": 2}),
    ],
)
def test_classes_of_what_a_model_drew(
    studies: StudiesWriter, names: Any, expected: dict[str, int]
) -> None:
    studies.image("a")
    studies.label("a", "original", params={"label_names": names})
    assert classes(studies) == expected


@pytest.mark.parametrize("key", ["idx", "labelID", "label"])
def test_values_of_classes_have_three_names(studies: StudiesWriter, key: str) -> None:
    studies.image("a")
    entries = [{"name": " liver ", key: 3, "color": [1, 2, 3]}, {"name": "x"}, "y", {key: 4}]
    studies.label("a", label_info=entries)
    assert classes(studies) == {"liver": 3}


def told(value: int, name: str = "liver") -> dict[str, Any]:
    return {"label_info": [{"name": name, "idx": value}]}


@pytest.mark.parametrize(
    ("infos", "words"),
    [
        ([{}, {}], "No label says how its classes are called"),
        ([told(1), told(2)], "liver = 1 (in 1 label), liver = 2 (in 1 label)"),
        ([told(1), told(1, "tumour")], "liver = 1 (in 1 label), tumour = 1 (in 1 label)"),
        ([told(70_000), {}], "Class value 70000"),
        ([told(-1), {}], "Class value -1"),
        ([told(1, "a,b"), {}], "'a,b' is not usable"),
        ([told(1, "a=b"), {}], "has an equals sign"),
        ([told(1, "x" * 65), {}], "is not usable"),
    ],
)
def test_classes_that_cannot_be_told_are_asked_for_with_the_values_there_are(
    studies: StudiesWriter, infos: list[dict[str, Any]], words: str
) -> None:
    for number, info in enumerate(infos):
        studies.image(f"case{number}")
        studies.label(f"case{number}", fill=number + 4, **info)
    with pytest.raises(SettingsError) as refused:
        classes(studies)
    message = str(refused.value)
    assert words in message
    assert "--labels liver=1,tumour=2" in message
    assert "The values in 2 labels that were looked at: 4, 5." in message


def test_the_message_is_short_whatever_there_is(studies: StudiesWriter) -> None:
    studies.image("a")
    entries = [{"name": f"n{number}" * 9, "idx": 1} for number in range(1000)]
    studies.label("a", label_info=entries)
    studies.file("labels/final/a.nii.gz", b"broken")
    with pytest.raises(SettingsError, match="There is no mask that can be read") as refused:
        classes(studies)
    assert len(str(refused.value)) < 2000


def test_other_tags_say_nothing_of_classes(studies: StudiesWriter) -> None:
    studies.image("a")
    studies.label("a", "version_1", **told(1))
    with pytest.raises(SettingsError, match="No label says"):
        classes(studies)


def test_the_writer_writes_what_a_server_does(studies: StudiesWriter) -> None:
    document = json.loads(studies.usual().document().read_text())
    assert set(document["objects"]["case0"]["labels"]) == {"final", "original"}
    assert Path(studies.root, "labels/final/case0.nii.gz").is_file()
    assert SHAPE == (5, 4, 3)
