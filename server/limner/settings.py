"""Every setting, with its default, its bounds and what it means. Unknown keys are errors.

Parsed once, at the entry point; nothing else reads the environment or a settings file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Name = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$")]
"""A project's name in URLs: lower-case letters, digits, inner dashes and underscores."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Settings):
    """What a file may ask of the server before its pixels are read."""

    max_voxels: int = Field(
        default=1_000_000_000,
        ge=1,
        description="Most pixels or voxels of one image, all channels counted.",
    )
    max_file_bytes: int = Field(
        default=4 * 2**30, ge=1, description="Largest image or mask file, in bytes."
    )
    max_body_bytes: int = Field(
        default=4 * 2**30, ge=1, description="Largest body of a request, in bytes."
    )


class GateSettings(_Settings):
    """When a trained version is promoted."""

    margin: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How much worse the lower bound of the mean difference may be: 0.01 is one "
        "Dice point.",
    )
    confidence: float = Field(
        default=0.8, gt=0.5, lt=1, description="One-sided confidence of that lower bound."
    )
    class_margin: float = Field(
        default=0.02, ge=0, le=1, description="How far the mean of any one class may fall."
    )


class ProjectSettings(_Settings):
    """How one project runs its loop."""

    strategy: str = Field(
        default="entropy",
        description="Strategy once a model serves. A project that names none gets `clasp` for "
        "masks, `uncertain-then-diverse` for classes and `entropy` for objects.",
    )
    cold_start: str = Field(
        default="random",
        description="Strategy until a model serves: one that needs nothing, or embeddings alone "
        "(`typiclust`, `core-set`), for which descriptors of the pixels stand.",
    )
    retrain_every: int = Field(
        default=5, ge=0, description="New submitted labels that start a training; 0 for never."
    )
    retrain_minutes: float = Field(
        default=0,
        ge=0,
        description="Train at least this often while there are new labels; 0 for no timer.",
    )
    readings: int = Field(
        default=1, ge=1, le=10, description="How many annotators label each sample."
    )
    lease_minutes: float = Field(
        default=60, gt=0, le=10_080, description="How long a sample is lent before it expires."
    )
    max_held: int = Field(
        default=20, ge=1, le=1000, description="Most samples that one annotator holds at a time."
    )
    skips_until_set_aside: int = Field(
        default=3, ge=1, description="After this many skips nobody gets the sample."
    )
    validation_share: float = Field(
        default=0.2,
        ge=0,
        le=0.5,
        description="Share of what is handed out that is drawn at random for the validation set.",
    )
    validation_target: int = Field(
        default=10, ge=2, description="Size at which the validation set is complete."
    )
    keep_versions: int = Field(
        default=5, ge=1, description="How many versions keep their weights, beside pinned ones."
    )
    queue_length: int = Field(
        default=500, ge=1, le=100_000, description="How many picks a strategy leaves."
    )
    query_size: list[Annotated[int, Field(ge=0, le=100_000)]] | None = Field(
        default=None,
        min_length=2,
        max_length=3,
        description="Voxels along each axis of the file of the part that an annotator is asked "
        "for; 0 for the whole of an axis, so `[0, 0, 5]` is five slices. None for whole images. Of "
        "segmentation, by an app that can (`regions`), with one reading of each sample.",
    )
    target_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Score that is enough; progress then says how many labels are left to it.",
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Decides everything random.")
    modality: str = Field(
        default="unknown", max_length=16, description="DICOM modality code, such as MR or CT."
    )
    multi_label: bool = Field(
        default=False,
        description="Of a classification: whether an image may have several classes, or none.",
    )
    app_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the app, as its manifest lists them."
    )
    strategy_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the strategy, as its manifest lists them."
    )
    gate: GateSettings = Field(default_factory=GateSettings)


class ProjectConfig(_Settings):
    """One project of a settings file, or of `limner serve IMAGES`."""

    name: Name
    title: str = Field(default="", max_length=200)
    app: str = Field(default="segmentation", description="Name of an app.")
    images: Path = Field(description="Folder of images.")
    labels: list[str] | dict[str, int] = Field(
        description="Class names in the order of their values 1, 2, 3, …, or names with values."
    )
    adopt: Path | None = Field(
        default=None,
        description="Finished labels to adopt. A folder of label files, named like their images. "
        "Of instances also one COCO file (.json) of many images, matched by file_name. Of classes "
        "also one table (.csv) with a column image and a column label, or a column of 0 and 1 for "
        "each class; or the folder of images itself, or one inside it, where each image lies in a "
        "folder that is called like its class.",
    )
    settings: ProjectSettings = Field(default_factory=ProjectSettings)


class EngineSettings(_Settings):
    """How heavy work runs."""

    device: Literal["auto", "cpu", "cuda", "mps"] | str = Field(
        default="auto", description="Where models run: auto, cpu, cuda, cuda:N or mps."
    )
    predictor_threads: int = Field(
        default=0, ge=0, description="Threads of the predictor; 0 for all processors."
    )
    learner_threads: int = Field(
        default=0, ge=0, description="Threads of the learner; 0 for all processors."
    )
    predict_timeout_s: float = Field(
        default=300, gt=0, description="A prediction that takes longer is given up."
    )
    stall_timeout_s: float = Field(
        default=600, gt=0, description="A training that reports nothing for so long is given up."
    )
    memory_limit_mb: int = Field(
        default=0,
        ge=0,
        description="Most memory of one worker in MiB; 0 for four fifths of what the machine, or "
        "the container, has.",
    )
    warm_models: int = Field(default=2, ge=1, description="Models that a predictor keeps loaded.")


class DicomWebSettings(_Settings):
    """A DICOMweb server that viewers reach through this one."""

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Its root, such as of Orthanc's.")
    username: str = Field(default="", description="For basic authentication; empty for none.")
    password: SecretStr | None = Field(default=None, description="For basic authentication.")
    qido_prefix: str = Field(default="", description="Path below the root for queries.")
    wado_prefix: str = Field(default="", description="Path below the root for retrieval.")
    stow_prefix: str = Field(default="", description="Path below the root for storage.")
    timeout_s: float = Field(default=30, gt=0, description="A request that takes longer fails.")


class MonaiLabelSettings(_Settings):
    """How clients of MONAI Label are served."""

    project: Name | None = Field(
        default=None,
        description="The project that is served at the root; the only one of the settings where "
        "nothing is said. Every project is served under /monai/PROJECT.",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Origins of web pages that may ask, such as https://viewer.example.org; * for "
        "any. Pages of this machine always may, and where a token is needed any page that has it.",
    )
    session_expiry_s: float = Field(
        default=3600, gt=0, description="How long a session lasts after its last use, at most."
    )
    ohif: Path | None = Field(
        default=None, description="Folder of a built OHIF viewer, served under /ohif."
    )
    dicomweb: DicomWebSettings | None = Field(
        default=None, description="DICOMweb server behind /proxy/dicom."
    )


class Settings(_Settings):
    """The whole server."""

    home: Path = Field(description="Folder of the database, files and logs.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port; 0 picks a free one.")
    token: SecretStr | None = Field(
        default=None, description="Bearer token that every request must carry."
    )
    admin_token: SecretStr | None = Field(
        default=None, description="Bearer token that may also register and retire plugins."
    )
    threads: int = Field(default=24, ge=4, le=256, description="Threads that answer requests.")
    plugins: tuple[Path, ...] = Field(
        default=(), description="Files or folders of plugins beside the installed ones."
    )
    plugin_folder: Path | None = Field(
        default=None,
        description="Folder that plugins may be registered from while the server runs.",
    )
    limits: Limits = Field(default_factory=Limits)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    monai_label: MonaiLabelSettings = Field(default_factory=MonaiLabelSettings)
    projects: tuple[ProjectConfig, ...] = ()
