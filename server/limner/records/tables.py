"""The tables, as SQLAlchemy Core sees them. `limner.records.rows` has the same fields as classes.

Times are seconds since 1970-01-01 UTC. Counts that a request shows are columns kept up to date in
the transaction that changes them, so that no request ever counts samples. Every query that a
request makes is served by an index named here.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # the slug in URLs
    Column("title", String(200), nullable=False, default=""),
    Column("app", String(64), nullable=False),
    Column("task", String(16), nullable=False, server_default="segmentation"),  # limner.plugin.Task
    Column("schema", JSON, nullable=False),  # [{"name", "value"}]
    Column("store", JSON, nullable=False),  # {"kind": "folder", "path": …, "labels": …}
    Column("settings", JSON, nullable=False),  # limner.settings.ProjectSettings
    Column("serving_model_id", Integer, nullable=True),  # model_versions.id
    Column("round", Integer, nullable=False, default=0),  # how many promotions there were
    # Kept counts.
    Column("samples", Integer, nullable=False, default=0),  # neither vanished nor removed
    Column("labelled", Integer, nullable=False, default=0),  # samples in state labelled
    Column("validation", Integer, nullable=False, default=0),  # labelled ones of the validation set
    Column("unreadable", Integer, nullable=False, default=0),
    Column("set_aside", Integer, nullable=False, default=0),  # skipped too often
    Column("vanished", Integer, nullable=False, default=0),
    Column("queued", Integer, nullable=False, default=0),  # rows of the queue
    Column("next_calls", Integer, nullable=False, default=0),  # feeds the one-in-five rule
    Column("labels_since_training", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("deleted_at", Float, nullable=True),
)

samples = Table(
    "samples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(1024), nullable=False),  # path inside the store, without its suffix
    Column("files", JSON, nullable=False),  # paths inside the store, one a channel file
    Column("state", String(16), nullable=False),  # rows.SampleState
    Column("reason", String(500), nullable=False, default=""),  # why unreadable or set aside
    Column("shape", JSON(none_as_null=True), nullable=True),  # spatial
    Column("spacing_mm", JSON(none_as_null=True), nullable=True),
    Column("channels", Integer, nullable=True),
    Column("format", String(32), nullable=False, default=""),
    Column("size_bytes", BigInteger, nullable=False, default=0),
    Column("modified_ns", BigInteger, nullable=False, default=0),  # with size: has it changed?
    Column("is_validation", Boolean, nullable=False, default=False),
    Column("draw", Float, nullable=False),  # seeded uniform in [0, 1): the order of random draws
    Column("label_id", Integer, nullable=True),  # newest submitted or approved label
    Column("readings", Integer, nullable=False, default=0),  # annotators with a submitted label
    Column("skips", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("project_id", "name"),
    Index("ix_samples_project_state_draw", "project_id", "state", "draw"),
    Index("ix_samples_project_state_id", "project_id", "state", "id"),
    Index("ix_samples_project_state_name", "project_id", "state", "name"),
    Index("ix_samples_project_id", "project_id", "id"),
    # The few samples of the validation set, among a million others.
    Index(
        "ix_samples_validation",
        "project_id",
        "state",
        sqlite_where=text("is_validation = 1"),
        postgresql_where=text("is_validation"),
    ),
)

labels = Table(
    "labels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("sample_id", ForeignKey("samples.id"), nullable=False),
    Column("version", Integer, nullable=False),  # 1, 2, … within the sample
    Column("state", String(16), nullable=False),  # rows.LabelState
    Column("author", String(200), nullable=False),
    Column("seconds", Float, nullable=True),  # that the annotator spent, where said
    Column("sha256", String(64), nullable=False),  # of the file as it was submitted
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", String(32), nullable=False),  # suffix, such as `.nii.gz`
    Column("assignment_id", Integer, nullable=True),
    Column("adopted_from", String(1024), nullable=True),  # file in the store that it came from
    # {"start", "stop"}, of what was handed in, and of all that it is of; None for whole images.
    Column("region", JSON(none_as_null=True), nullable=True),
    Column("regions", JSON(none_as_null=True), nullable=True),
    # The file as it was handed in, where that was joined with the label before.
    Column("submitted_sha256", String(64), nullable=True),
    Column("submitted_format", String(32), nullable=True),
    Column("note", String(500), nullable=False, default=""),  # what was odd when it was given
    Column(
        "tag", String(64), nullable=False, server_default=text("''")
    ),  # empty for the label itself
    # The version that the annotator was offered, and how far the label leaves its word as it was.
    Column("compared_with", Integer, nullable=True),  # number; null where nothing is to be compared
    Column("agreement", Float, nullable=True),  # in [0, 1]; null until it is computed
    Column("created_at", Float, nullable=False),
    UniqueConstraint("sample_id", "version"),
    # Only what a client keeps beside the label itself has a tag.
    Index(
        "ix_labels_tag",
        "project_id",
        "tag",
        "sample_id",
        sqlite_where=text("tag <> ''"),
        postgresql_where=text("tag <> ''"),
    ),
    Index(
        "ix_labels_to_compare",
        "id",
        sqlite_where=text("compared_with IS NOT NULL AND agreement IS NULL"),
        postgresql_where=text("compared_with IS NOT NULL AND agreement IS NULL"),
    ),
    Index(
        "ix_labels_compared",
        "project_id",
        "id",
        sqlite_where=text("agreement IS NOT NULL"),
        postgresql_where=text("agreement IS NOT NULL"),
    ),
    Index("ix_labels_sample_sha256", "sample_id", "sha256"),
    Index("ix_labels_project_state_id", "project_id", "state", "id"),
    Index("ix_labels_project_id", "project_id", "id"),
)

# What clients want kept with a label or a sample. It is theirs: given back as it came.
label_remarks = Table(
    "label_remarks",
    metadata,
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
    Column("remarks", JSON, nullable=False),
)

sample_remarks = Table(
    "sample_remarks",
    metadata,
    Column("sample_id", ForeignKey("samples.id"), primary_key=True),
    Column("remarks", JSON, nullable=False),
)

# Images that a client brought to be predicted, and that are no samples.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("files", JSON, nullable=False),  # names inside the session's folder
    Column("created_at", Float, nullable=False),
    Column("last_access_at", Float, nullable=False),
    Column("expiry_s", Float, nullable=False),  # since the last access
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("sample_id", ForeignKey("samples.id"), nullable=False),
    Column("annotator", String(200), nullable=False),
    Column("state", String(16), nullable=False),  # rows.AssignmentState
    Column("slot", Integer, nullable=False, default=0),  # 0 … readings - 1
    Column("purpose", String(16), nullable=False),  # rows.Purpose
    Column("strategy", String(64), nullable=False),
    Column("arm", String(64), nullable=False, server_default=text("''")),  # empty: of no arm
    Column("score", Float, nullable=True),
    Column("reason", String(500), nullable=False, default=""),
    Column("position", Integer, nullable=True),  # in the queue, to go back there
    Column("offered", Integer, nullable=True),  # number of the version whose prediction was offered
    Column("region", JSON(none_as_null=True), nullable=True),  # None for the whole image
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float, nullable=True),
    # What makes two holders of one slot impossible, whoever writes.
    Index(
        "uq_assignments_held_slot",
        "sample_id",
        "slot",
        unique=True,
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
    Index(
        "ix_assignments_held_expiry",
        "project_id",
        "expires_at",
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
    # Only picks of strategies that tell several ways of picking apart have an arm.
    Index(
        "ix_assignments_arm",
        "project_id",
        "arm",
        "state",
        sqlite_where=text("arm <> ''"),
        postgresql_where=text("arm <> ''"),
    ),
    Index("ix_assignments_project_annotator_state", "project_id", "annotator", "state"),
    Index("ix_assignments_sample_annotator", "sample_id", "annotator"),
)

skips = Table(
    "skips",
    metadata,
    Column("sample_id", ForeignKey("samples.id"), primary_key=True),
    Column("annotator", String(200), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_skips_project_annotator", "project_id", "annotator"),
)

queue = Table(
    "queue",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # smallest first; may be negative
    Column("sample_id", ForeignKey("samples.id"), nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("score", Float, nullable=True),
    Column("reason", String(500), nullable=False, default=""),
    Column("model_id", Integer, nullable=True),  # version whose word it is
    Column("arm", String(64), nullable=False, server_default=text("''")),  # limner.plugin.Pick.arm
    Column("region", JSON(none_as_null=True), nullable=True),  # worth most; None where unknown
    UniqueConstraint("sample_id"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, … within the project
    Column("parent_id", Integer, nullable=True),
    Column("job_id", Integer, nullable=True),
    Column("app", String(64), nullable=False),
    Column("app_version", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # rows.ModelState
    Column("pinned", Boolean, nullable=False, default=False),
    Column("weights_sha256", String(64), nullable=True),  # None once the weights were let go
    Column("weights_bytes", BigInteger, nullable=False, default=0),
    Column("seed", Integer, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),  # on the validation set, and of the training
    Column("decision", JSON, nullable=False),  # the gate's: outcome, test, numbers
    Column("libraries", JSON, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("label_count", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("promoted_at", Float, nullable=True),
    # How far it agrees with the version before: {"measure", "agreement", "cases", "compared_with"}.
    Column("stability", JSON(none_as_null=True), nullable=True),
    UniqueConstraint("project_id", "number"),
)

model_labels = Table(
    "model_labels",
    metadata,
    Column("model_id", ForeignKey("model_versions.id"), primary_key=True),
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
    Column("role", String(16), nullable=False),  # train or validation
)

# What the newest review found; a row counts while its label is the sample's own, not yet approved.
suspects = Table(
    "suspects",
    metadata,
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("sample_id", ForeignKey("samples.id"), nullable=False),
    Column("score", Float, nullable=False),  # in [0, 1], smaller is worse
    Column("reason", String(500), nullable=False),
    Column("model_says", JSON, nullable=False),  # in place of the label; by task
    Column("job_id", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_suspects_project_score", "project_id", "score", "label_id"),
)

# What trials found of the arms of strategies: of each a row for every arm but the control.
trials = Table(
    "trials",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("job_id", Integer, primary_key=True),
    Column("arm", String(64), primary_key=True),
    Column("labels", Integer, nullable=False),  # left out of each model
    Column("measure", String(64), nullable=False),
    Column("differences", JSON, nullable=False),  # by sample id; their mean is the gain
    Column("newest_label_id", Integer, nullable=False),  # the next trial takes later ones
    Column("created_at", Float, nullable=False),
)

descriptions = Table(
    "descriptions",
    metadata,
    Column("model_id", ForeignKey("model_versions.id"), primary_key=True),
    Column("sample_id", ForeignKey("samples.id"), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("scores", JSON, nullable=False),
    Column("class_scores", LargeBinary, nullable=False),  # float32, little-endian
    Column("class_fractions", LargeBinary, nullable=False),  # float32
    Column("embedding", LargeBinary, nullable=True),  # float32
    Column("region", JSON(none_as_null=True), nullable=True),  # that the scores are of
    Column("asked", String(64), nullable=False, server_default=text("''")),  # size of a part
    Column("created_at", Float, nullable=False),
    Index("ix_descriptions_sample", "sample_id"),
)

# What the pixels of a sample say while no model describes it; never beside a version's word.
descriptors = Table(
    "descriptors",
    metadata,
    Column("sample_id", ForeignKey("samples.id"), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("version", Integer, nullable=False),  # limner.images.descriptors.VERSION
    Column("embedding", LargeBinary, nullable=False),  # float32, little-endian
    Column("modified_ns", BigInteger, nullable=False),  # of the image that it was made from
    Column("created_at", Float, nullable=False),
    Index("ix_descriptors_project_sample", "project_id", "sample_id"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("model_id", ForeignKey("model_versions.id"), primary_key=True),
    Column("sample_id", ForeignKey("samples.id"), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", String(32), nullable=False),
    Column("modified_ns", BigInteger, nullable=False),  # of the image that it was made from
    Column("created_at", Float, nullable=False),
    Index("ix_predictions_sample", "sample_id"),
    # Whether a file is still named when a row of it goes: equal masks share one file.
    Index("ix_predictions_sha256", "sha256"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # rows.JobKind
    Column("state", String(16), nullable=False),  # rows.JobState
    Column("priority", Integer, nullable=False, default=0),  # larger first
    Column("params", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("progress", JSON, nullable=False),  # {"step", "total", "losses", "message", "eta_s"}
    Column("error", JSON(none_as_null=True), nullable=True),  # {"type", "detail"}
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float, nullable=True),
    Column("finished_at", Float, nullable=True),
    Index("ix_jobs_project_id", "project_id", "id"),
    Index("ix_jobs_state_priority", "state", "priority", "id"),
    # One waiting or running job of a kind a project: work is not piled up.
    Index("ix_jobs_project_kind_state", "project_id", "kind", "state"),
)

audit = Table(
    "audit",
    metadata,
    # Append-only: triggers of the first migration refuse UPDATE and DELETE.
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("project_id", Integer, nullable=True),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),  # such as `label.submitted`
    Column("subject", String(64), nullable=False),  # such as `label:17`
    Column("details", JSON, nullable=False),
    Index("ix_audit_project_id", "project_id", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("route", String(255), primary_key=True),  # method and path
    Column("request_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_idempotency_created_at", "created_at"),
)

store_problems = Table(
    "store_problems",
    metadata,
    # What the last look at the store found wrong and that is no sample of its own: a label without
    # an image, an image in two formats.
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("problem", String(500), nullable=False),
    Column("seen_at", Float, nullable=False),
    UniqueConstraint("project_id", "path"),
)

plugins = Table(
    "plugins",
    metadata,
    # What was registered or retired while the server ran; those found at a start have no row.
    Column("kind", String(16), primary_key=True),  # app or strategy
    Column("name", String(64), primary_key=True),
    Column("location", String(4096), nullable=True),  # null for an installed one
    Column("revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # rows.PluginState
    Column("digest", String(64), nullable=False),  # state of its code
    Column("registered_at", Float, nullable=False),
)
