"""Predict: the stored prediction when it is current, else one made now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.engine import Engine, ModelRef, Priority
from limner.errors import Conflict, InvalidRequest, NotFound, UnsupportedFormat
from limner.images import (
    Header,
    ImageSource,
    decode_answer,
    encode_answer,
    encode_mask,
    label_suffixes,
    mask_suffixes,
)
from limner.loop.models import Models, serving_or_refuse
from limner.loop.prediction_files import Made, PredictionFiles, encoded
from limner.loop.prediction_keeper import PredictionKeeper
from limner.loop.projects import Projects
from limner.plugin import Ability, Answer, ClassScores, LabelSchema, Mask, Prompt
from limner.records import models as model_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import (
    ModelVersion,
    Project,
    Sample,
    SampleState,
    StoredPrediction,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A prediction as a file."""

    data: Path | bytes
    """The stored file where its format is the one asked for, else its bytes."""
    suffix: str
    """Format, such as `.nii.gz`."""
    version: ModelVersion
    was_stored: bool
    """Whether it was made ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a version says of an image, as arrays."""

    answer: Answer
    header: Header
    """The image's."""
    schema: LabelSchema
    """The classes that the version knows."""
    version: ModelVersion


class Predictions:
    """Predictions of every project. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        models: Models,
        engine: Engine,
        files: PredictionFiles,
        keeper: PredictionKeeper,
    ) -> None:
        self._records = records
        self._projects = projects
        self._models = models
        self._engine = engine
        self._files = files
        self._keeper = keeper

    def predict(
        self,
        project: str,
        sample_id: int,
        *,
        suffix: str | None = None,
        client: str = "",
        version: int | None = None,
    ) -> Predicted:
        """Return what a version says of a sample.

        Args:
            project: The project's name.
            sample_id: The sample.
            suffix: Format wanted; the one that predictions are stored in when None.
            client: Who asks: waiting requests take turns between clients.
            version: Number of the version; the serving one when None.

        Raises:
            NotFound: There is no such project, sample or version.
            NoModel: Nothing serves yet.
            Conflict: The sample's image cannot be read, or the version has no weights any more.
            UnsupportedFormat: The format cannot carry an answer for this image.
            ImageError: The image cannot be used.
            EngineError: The prediction failed.
        """
        found, sample, serving = self._looked_up(project, sample_id)
        chosen = (
            serving_or_refuse(serving, project)
            if version is None
            else self._models.get(project, version)
        )
        source = self._projects.source(found, sample)
        stored = self._files.find(chosen.id, sample)
        if stored is not None:
            row, path = stored
            return self._in_format(found, path, row.format, suffix, source, chosen)
        waits = self._keeper.find(chosen.id, sample)
        if waits is not None and suffix in (None, waits.suffix):
            return Predicted(data=waits.file, suffix=waits.suffix, version=chosen, was_stored=True)
        is_serving = serving is not None and chosen.id == serving.id
        return self._made_now(found, sample, source, chosen, suffix, client, keep=is_serving)

    def stored(self, project: str, sample_id: int) -> Predicted | None:
        """Return what the serving version said of a sample ahead; None where it has not yet.

        Raises:
            NotFound: There is no such project or sample.
            Conflict: The sample's image cannot be read.
        """
        _, sample, serving = self._looked_up(project, sample_id)
        found = None if serving is None else self._files.find(serving.id, sample)
        if serving is None or found is None:
            return None
        row, path = found
        return Predicted(data=path, suffix=row.format, version=serving, was_stored=True)

    def answer(
        self,
        project: str,
        image: int | ImageSource,
        *,
        prompts: Sequence[Prompt] | None = None,
        client: str = "",
    ) -> Answered:
        """Return what the serving version says of an image, as arrays.

        Args:
            project: The project's name.
            image: A sample's id, or where an image lies that is no sample.
            prompts: What an annotator says beside the image; such an answer is not stored.
            client: Who asks: waiting requests take turns between clients.

        Raises:
            NotFound: There is no such project or sample.
            NoModel: Nothing serves yet.
            Conflict: The sample's image cannot be read, or the app takes no prompts.
            ImageError: The image cannot be used.
            UnsuitableInput: The model cannot take such an image or prompt.
            EngineError: The prediction failed.
        """
        found, sample, source, serving = self._target(project, image)
        version = serving_or_refuse(serving, project)
        if sample is not None and prompts is None:
            stored = self._files.find(version.id, sample)
            if stored is not None:
                return self._decoded(found, source, version, *stored)
        ref = self._models.ref(found, version)
        header = source.header()
        if prompts is not None:
            if Ability.PROMPT not in self._projects.app(version.app).abilities:
                raise Conflict(f"App {version.app!r} of project {project} takes no prompts.")
            answer = self._engine.prompt(ref, source, prompts, client=client).answer
        else:
            answer = self._engine.predict(ref, source, client=client).answer
            if sample is not None:
                self._keep(found, sample, version, answer, header, ref.schema)
        return Answered(answer=answer, header=header, schema=ref.schema, version=version)

    def _target(
        self, project: str, image: int | ImageSource
    ) -> tuple[Project, Sample | None, ImageSource, ModelVersion | None]:
        if isinstance(image, int):
            found, sample, serving = self._looked_up(project, image)
            return found, sample, self._projects.source(found, sample), serving
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            return found, None, image, model_rows.serving(tx, found.id)

    def _decoded(
        self,
        project: Project,
        source: ImageSource,
        version: ModelVersion,
        row: StoredPrediction,
        path: Path,
    ) -> Answered:
        header, task = source.header(), self._projects.task(project)
        schema = self._models.schema(project, version)
        answer = decode_answer(path, row.format, header, schema, task, source.limits)
        return Answered(answer=answer, header=header, schema=schema, version=version)

    def _keep(
        self,
        project: Project,
        sample: Sample,
        version: ModelVersion,
        answer: Answer,
        header: Header,
        schema: LabelSchema,
    ) -> tuple[bytes, str]:
        """Have an answer stored soon; return its file and format."""
        data, suffix = encoded(answer, header, schema, self._projects.task(project))
        made = Made(sample=sample, file=data, suffix=suffix)
        self._keeper.keep(project.id, version.id, made)
        return data, suffix

    def explain(
        self, project: str, sample_id: int, *, name: str | None, suffix: str, client: str = ""
    ) -> Predicted:
        """Return a map of what in an image speaks for a class, as the serving version sees it.

        Args:
            project: The project's name.
            sample_id: The sample.
            name: The class; the likeliest one when None.
            suffix: Format wanted, of a mask: the map is an image of 256 grey levels.
            client: Who asks.

        Raises:
            NotFound: There is no such project or sample.
            InvalidRequest: There is no such class.
            NoModel: Nothing serves yet.
            Conflict: The app cannot explain, or the sample's image cannot be read.
            UnsupportedFormat: The format cannot carry a map of this image.
            EngineError: The explanation failed.
        """
        found, sample, serving = self._looked_up(project, sample_id)
        version = serving_or_refuse(serving, project)
        if Ability.EXPLAIN not in self._projects.app(version.app).abilities:
            raise Conflict(f"App {version.app!r} of project {project} cannot explain.")
        ref = self._models.ref(found, version)
        source = self._projects.source(found, sample)
        header = source.header()
        check_suffix(suffix, mask_suffixes(header.kind), header.kind)
        value = self._likeliest(ref, source, client) if name is None else _value_of(name, ref)
        shown = self._engine.explain(ref, source, value, client=client)
        levels = np.rint(255 * shown).astype(np.uint8)
        mask = Mask(array=levels, spacing=header.spacing, affine=header.affine)
        data = encode_mask(mask, header, suffix)
        return Predicted(data=data, suffix=suffix, version=version, was_stored=False)

    def _looked_up(
        self, project: str, sample_id: int
    ) -> tuple[Project, Sample, ModelVersion | None]:
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            sample = sample_rows.find(tx, sample_id)
            serving = model_rows.serving(tx, found.id)
        if sample is None or sample.project_id != found.id:
            raise NotFound(f"Project {project} has no sample {sample_id}.")
        _check_readable(sample)
        return found, sample, serving

    def _likeliest(self, ref: ModelRef, source: ImageSource, client: str) -> int:
        answer = self._engine.predict(ref, source, client=client).answer
        if not isinstance(answer, ClassScores):
            raise Conflict("Name the class to explain: the model answers with no probabilities.")
        return ref.schema.classes[int(answer.probabilities.argmax())].value

    def _made_now(
        self,
        project: Project,
        sample: Sample,
        source: ImageSource,
        version: ModelVersion,
        suffix: str | None,
        client: str,
        *,
        keep: bool,
    ) -> Predicted:
        task = self._projects.task(project)
        ref = self._models.ref(project, version)
        header = source.header()
        if suffix is not None:
            check_suffix(suffix, label_suffixes(task, header.kind), header.kind)
        prediction = self._engine.predict(ref, source, priority=Priority.INTERACTIVE, client=client)
        if keep:
            data, kept_suffix = self._keep(
                project, sample, version, prediction.answer, header, ref.schema
            )
        else:
            data, kept_suffix = encoded(prediction.answer, header, ref.schema, task)
        if suffix is not None and suffix != kept_suffix:
            data = encode_answer(prediction.answer, header, ref.schema, suffix)
        return Predicted(data=data, suffix=suffix or kept_suffix, version=version, was_stored=False)

    def _in_format(
        self,
        project: Project,
        path: Path,
        stored_suffix: str,
        suffix: str | None,
        source: ImageSource,
        version: ModelVersion,
    ) -> Predicted:
        """Return a stored prediction in the format asked for."""
        data: Path | bytes = path
        if suffix is not None and suffix != stored_suffix:
            header, task = source.header(), self._projects.task(project)
            check_suffix(suffix, label_suffixes(task, header.kind), header.kind)
            schema = self._models.schema(project, version)
            answer = decode_answer(path, stored_suffix, header, schema, task, source.limits)
            data = encode_answer(answer, header, schema, suffix)
        return Predicted(
            data=data, suffix=suffix or stored_suffix, version=version, was_stored=True
        )


def check_suffix(suffix: str, allowed: Sequence[str], kind: str) -> None:
    """Refuse a format that cannot carry what is asked for.

    Raises:
        UnsupportedFormat: It is none of those allowed.
    """
    if suffix not in allowed:
        raise UnsupportedFormat(
            f"An answer for a {kind} cannot be sent as {suffix!r}; take {', '.join(allowed)}."
        )


def _value_of(name: str, ref: ModelRef) -> int:
    for each in ref.schema.classes:
        if each.name == name:
            return each.value
    raise InvalidRequest(
        f"There is no class {name[:64]!r}; the model knows {', '.join(ref.schema.names)}."
    )


def _check_readable(sample: Sample) -> None:
    if sample.state in (SampleState.UNREADABLE, SampleState.VANISHED, SampleState.REMOVED):
        why = f": {sample.reason}" if sample.reason else ""
        raise Conflict(f"Sample {sample.id} is {sample.state}{why}; it cannot be predicted.")
