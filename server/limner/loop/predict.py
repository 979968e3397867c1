"""Predict: the stored prediction when it is current, else one made now."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from limner.engine import Engine, Priority
from limner.errors import Conflict, NotFound, UnsupportedFormat
from limner.images import ImageSource, encode_mask, mask_suffixes, read_mask
from limner.loop.models import Models, serving_or_refuse
from limner.loop.prediction_files import Made, PredictionFiles, encoded
from limner.loop.prediction_keeper import PredictionKeeper
from limner.loop.projects import Projects
from limner.plugin import Mask
from limner.records import models as model_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import ModelVersion, Project, Sample, SampleState

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
            UnsupportedFormat: The format cannot carry a mask of this image.
            ImageError: The image cannot be used.
            EngineError: The prediction failed.
        """
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            sample = sample_rows.find(tx, sample_id)
            serving = model_rows.serving(tx, found.id)
        if sample is None or sample.project_id != found.id:
            raise NotFound(f"Project {project} has no sample {sample_id}.")
        _check_readable(sample)
        chosen = (
            serving_or_refuse(serving, project)
            if version is None
            else self._models.get(project, version)
        )
        source = self._projects.source(found, sample)
        stored = self._files.find(chosen.id, sample)
        if stored is not None:
            row, path = stored
            return self._in_format(path, row.format, suffix, source, chosen, was_stored=True)
        waits = self._keeper.find(chosen.id, sample)
        if waits is not None and waits.file is not None and suffix in (None, waits.suffix):
            return Predicted(data=waits.file, suffix=waits.suffix, version=chosen, was_stored=True)
        is_serving = serving is not None and chosen.id == serving.id
        return self._made_now(found, sample, source, chosen, suffix, client, keep=is_serving)

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
        header = source.header()
        _check_suffix(suffix, header.kind)
        prediction = self._engine.predict(
            self._models.ref(project, version),
            source,
            priority=Priority.INTERACTIVE,
            client=client,
        )
        answer = prediction.answer
        if not isinstance(answer, Mask):
            raise UnsupportedFormat(
                f"Version {version.number} of {project.name} answers with "
                f"{type(answer).__name__}, which cannot be sent as a mask file."
            )
        data, kept_suffix = encoded(answer, header)
        if keep:
            made = Made(sample=sample, file=data, suffix=kept_suffix)
            self._keeper.keep(project.id, version.id, made)
        wanted = suffix or kept_suffix
        return Predicted(
            data=data
            if data is not None and wanted == kept_suffix
            else encode_mask(answer, header, wanted),
            suffix=wanted,
            version=version,
            was_stored=False,
        )

    def _in_format(
        self,
        path: Path,
        stored_suffix: str,
        suffix: str | None,
        source: ImageSource,
        version: ModelVersion,
        *,
        was_stored: bool,
    ) -> Predicted:
        """Return a stored prediction in the format asked for."""
        data: Path | bytes = path
        if suffix is not None and suffix != stored_suffix:
            header = source.header()
            _check_suffix(suffix, header.kind)
            mask = read_mask(path, source.limits, suffix=stored_suffix)
            data = encode_mask(mask, header, suffix)
        return Predicted(
            data=data, suffix=suffix or stored_suffix, version=version, was_stored=was_stored
        )


def _check_suffix(suffix: str | None, kind: Literal["volume", "picture"]) -> None:
    allowed = mask_suffixes(kind)
    if suffix is not None and suffix not in allowed:
        raise UnsupportedFormat(
            f"A mask of a {kind} cannot be sent as {suffix!r}; take {', '.join(allowed)}."
        )


def _check_readable(sample: Sample) -> None:
    if sample.state in (SampleState.UNREADABLE, SampleState.VANISHED, SampleState.REMOVED):
        why = f": {sample.reason}" if sample.reason else ""
        raise Conflict(f"Sample {sample.id} is {sample.state}{why}; it cannot be predicted.")
