"""One project of a server, as a client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal

from limner.client import answers
from limner.client.connection import Call, Connection
from limner.client.downloads import OnBytes, save
from limner.client.parse import parse
from limner.client.sse import ALIVE, listen

PREDICT_TIMEOUT_S = 600.0
"""A first prediction loads a model, and a large volume takes its time on a processor."""

EXPORT_TIMEOUT_S = 300.0


class ProjectHandle:
    """Everything that happens within one project."""

    def __init__(self, connection: Connection, name: str, path: str) -> None:
        """Take the server's connection, the project's name and its path there."""
        self._connection = connection
        self._path = path
        self.name = name

    # The project itself

    def get(self) -> answers.Project:
        """Say what the project is."""
        return parse(answers.Project, self._get(""))

    def change(self, **changes: Any) -> answers.Project:
        """Change its `title` or, in part, its `settings`."""
        return parse(answers.Project, self._patch("", changes))

    def delete(self) -> None:
        """Delete it from the server; its files stay."""
        self._connection.answer(Call(method="DELETE", path=self._path))

    def progress(self) -> Mapping[str, Any]:
        """Get the counts, the learning curve, the queue's length and what runs."""
        found: Mapping[str, Any] = self._get("/progress")
        return found

    def problems(self) -> Iterator[answers.StoreProblem]:
        """Yield what is in the project's folder and is no usable sample, with the reason."""
        for each in self._pages("/problems", {}):
            yield parse(answers.StoreProblem, each)

    def audit(self) -> Iterator[answers.AuditEntry]:
        """Yield who did what, newest first."""
        for each in self._pages("/audit", {}):
            yield parse(answers.AuditEntry, each)

    def events(self) -> Iterator[answers.Event]:
        """Yield changes of samples, labels, jobs, models and the queue as they happen."""
        with listen(self._connection, f"{self._path}/events") as stream:
            yield from (event for event in stream if event.kind != ALIVE)

    # Samples

    def samples(
        self, *, state: str | None = None, name: str | None = None, page: int = 200
    ) -> Iterator[answers.Sample]:
        """Yield samples, all or those in one state or of one name.

        Args:
            state: Such as `ready`, `labelled`, `unreadable`, `set_aside` or `vanished`.
            name: Path inside the store, without its suffix.
            page: How many to ask for at a time.
        """
        params = {"state": state, "name": name, "limit": page}
        for each in self._pages("/samples", params):
            yield parse(answers.Sample, each)

    def sample(self, number: int) -> answers.Sample:
        """Get one sample."""
        return parse(answers.Sample, self._get(f"/samples/{number}"))

    def upload(self, image: str | Path | BinaryIO, filename: str | None = None) -> answers.Sample:
        """Add an image to the project's store, streamed from a file.

        Args:
            image: A path, or a stream that can be read again from its start.
            filename: Its name in the store; the path's own where none is given.
        """
        with ExitStack() as stack:
            part = _part(stack, image, filename)
            call = Call(method="POST", path=f"{self._path}/samples", files={"file": part})
            found = self._connection.json(call.once_only())
        return parse(answers.Sample, found)

    def change_sample(self, number: int, **changes: Any) -> answers.Sample:
        """Change a sample's `state` to `ready` or `set_aside`, with a `note` that says why."""
        return parse(answers.Sample, self._patch(f"/samples/{number}", changes))

    def forget_sample(self, number: int) -> None:
        """Delete a sample without labels from the project."""
        self._connection.answer(Call(method="DELETE", path=f"{self._path}/samples/{number}"))

    def image(self, sample: int, target: str | Path, on_bytes: OnBytes | None = None) -> Path:
        """Download a sample's image as it lies in the store."""
        call = Call(method="GET", path=f"{self._path}/samples/{sample}/image")
        with self._connection.stream(call) as response:
            return save(response, Path(target), on_bytes)

    # Labelling

    def next(self, annotator: str) -> answers.Next:
        """Ask for the next sample to label; it is lent to this annotator for a time."""
        call = Call(method="POST", path=f"{self._path}/next", json={"annotator": annotator})
        return parse(answers.Next, self._connection.json(call.once_only()))

    def held(self, annotator: str) -> Iterator[answers.Assignment]:
        """Yield what an annotator holds, to go on with it."""
        for each in self._pages("/assignments", {"annotator": annotator}):
            yield parse(answers.Assignment, each)

    def predict(
        self, sample: int, accept: str | None = None, *, explain: str | None = None
    ) -> answers.Predicted:
        """Get what the serving model says, made ahead or now.

        Args:
            sample: Id of the sample.
            accept: Media type of the answer. Where none is given: gzipped NIfTI for the mask of a
                volume, PNG for that of a picture, JSON for instances and classes.
            explain: Name of a class: get a map of what in the image speaks for it.
        """
        call = Call(
            method="POST",
            path=f"{self._path}/samples/{sample}/predict",
            params={} if explain is None else {"explain": explain},
            headers={"Accept": accept or "*/*"},
            repeatable=True,
            timeout_s=PREDICT_TIMEOUT_S,
        )
        response = self._connection.answer(call)
        version = response.headers.get("Limner-Model-Version")
        return answers.Predicted(
            data=response.content,
            media_type=response.headers.get("content-type", ""),
            model_version=int(version) if version and version.isdigit() else None,
        )

    def submit(
        self,
        sample: int,
        label: str | Path | BinaryIO,
        *,
        annotator: str,
        assignment: int | None = None,
        seconds: float | None = None,
        state: Literal["draft", "submitted"] = "submitted",
        filename: str | None = None,
        region: answers.Region | None = None,
    ) -> answers.Label:
        """Hand in a label, streamed from a file. When this returns, the label is on the disk.

        Args:
            sample: Id of the sample.
            label: Label file, or a stream that can be read again: a mask or an instance map with
                the image's own geometry, COCO JSON, or JSON with `classes`.
            annotator: Who drew it.
            assignment: Id of the assignment that it answers.
            seconds: How long it took to draw.
            state: A draft does not end the assignment and is not trained on.
            filename: Names the format where `label` is a stream, such as `mask.nii.gz`.
            region: The part that it is of, such as `Assignment.region`; None for the whole image,
                whatever part was asked for.
        """
        given: dict[str, object] = {
            "annotator": annotator,
            "assignment": assignment,
            "seconds": seconds,
        }
        if region is not None:
            given["region"] = json.dumps({"start": region.start, "stop": region.stop})
        form = {name: str(value) for name, value in given.items() if value is not None}
        with ExitStack() as stack:
            call = Call(
                method="POST",
                path=f"{self._path}/samples/{sample}/labels",
                form={**form, "state": state},
                files={"file": _part(stack, label, filename)},
            )
            found = self._connection.json(call.once_only())
        return parse(answers.LabelAnswer, found).label

    def submit_classes(
        self,
        sample: int,
        classes: Sequence[str],
        *,
        annotator: str,
        assignment: int | None = None,
        seconds: float | None = None,
    ) -> answers.Label:
        """Hand in the classes of an image. When this returns, the label is on the disk.

        Args:
            sample: Id of the sample.
            classes: Their names: one where classes exclude each other, else any number.
            annotator: Who says so.
            assignment: Id of the assignment that it answers.
            seconds: How long it took.
        """
        given = {"annotator": annotator, "assignment": assignment, "seconds": seconds}
        body = {name: value for name, value in given.items() if value is not None}
        call = Call(
            method="POST",
            path=f"{self._path}/samples/{sample}/labels",
            json={**body, "classes": list(classes)},
        )
        return parse(answers.LabelAnswer, self._connection.json(call.once_only())).label

    def labels(self, sample: int) -> Iterator[answers.Label]:
        """Yield the labels of a sample."""
        for each in self._pages(f"/samples/{sample}/labels", {}):
            yield parse(answers.Label, each)

    def suspects(self, *, page: int = 100) -> Iterator[answers.Suspect]:
        """Yield the labels that the newest review found suspect, the worst first.

        Approve or reject one (`Limner.approve`, `Limner.reject`), or hand in a new label of the
        sample, and it is not listed any more.

        Args:
            page: How many to ask for at a time.
        """
        for each in self._pages("/suspects", {"limit": page}):
            yield parse(answers.Suspect, each)

    # Training and models

    def jobs(self) -> Iterator[answers.Job]:
        """Yield the project's jobs, newest first."""
        for each in self._pages("/jobs", {}):
            yield parse(answers.Job, each)

    def start_job(self, kind: Literal["train", "score", "review"], **params: Any) -> answers.Job:
        """Ask for heavy work; where one of the kind waits already, that one is answered.

        Args:
            kind: `train` a version, `score` the pool again, or `review` the labels.
            params: `effort` of a training or review: fraction of the app's usual number of steps.
                `strategy` of a scoring: the one that fills the queue this once. `folds` of a
                review: how many models are trained.
        """
        body: dict[str, Any] = {"kind": kind, **params}
        call = Call(method="POST", path=f"{self._path}/jobs", json=body)
        return parse(answers.Job, self._connection.json(call.once_only()))

    def models(self) -> Iterator[answers.ModelVersion]:
        """Yield the model versions, newest first."""
        for each in self._pages("/models", {}):
            yield parse(answers.ModelVersion, each)

    def model(self, version: int) -> answers.ModelVersion:
        """Get one model version."""
        return parse(answers.ModelVersion, self._get(f"/models/{version}"))

    def promote(self, version: int) -> answers.ModelVersion:
        """Make a model version the one that serves: rollback is this with an older one."""
        call = Call(method="POST", path=f"{self._path}/models/{version}/promote", json={})
        return parse(answers.ModelVersion, self._connection.json(call.once_only()))

    def pin(self, version: int, pinned: bool = True) -> answers.ModelVersion:
        """Keep a version's weights for good, or let them be pruned like others'."""
        call = Call(
            method="POST", path=f"{self._path}/models/{version}/pin", json={"pinned": pinned}
        )
        return parse(answers.ModelVersion, self._connection.json(call.once_only()))

    def export(
        self, target: str | Path, format: str | None = None, on_bytes: OnBytes | None = None
    ) -> Path:
        """Download the labelled data as a zip file, streamed.

        Args:
            target: The zip file to write.
            format: `nnunet` or `msd` of masks, `coco` or `maps` of instances, `csv` or `folders`
                of classes; the first of its task where none is given.
            on_bytes: Told of the progress.
        """
        call = Call(
            method="GET",
            path=f"{self._path}/export",
            params={} if format is None else {"format": format},
            timeout_s=EXPORT_TIMEOUT_S,
        )
        with self._connection.stream(call) as response:
            return save(response, Path(target), on_bytes)

    def _get(self, path: str) -> Any:
        return self._connection.json(Call(method="GET", path=f"{self._path}{path}"))

    def _patch(self, path: str, changes: Mapping[str, Any]) -> Any:
        call = Call(method="PATCH", path=f"{self._path}{path}", json=dict(changes))
        return self._connection.json(call)

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Any]:
        return self._connection.pages(Call(method="GET", path=f"{self._path}{path}", params=params))


def _part(
    stack: ExitStack, content: str | Path | BinaryIO, filename: str | None
) -> tuple[str, BinaryIO]:
    """Name and stream of a multipart file; a file that is opened here is closed by the stack."""
    if isinstance(content, str | Path):
        path = Path(content)
        return filename or path.name, stack.enter_context(path.open("rb"))
    return filename or Path(str(getattr(content, "name", "file"))).name, content
