"""The first tables, and the triggers that keep the audit trail append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = [
    "audit",
    "idempotency",
    "projects",
    "jobs",
    "model_versions",
    "samples",
    "store_problems",
    "assignments",
    "descriptions",
    "labels",
    "predictions",
    "queue",
    "skips",
    "model_labels",
]


def upgrade() -> None:
    """Apply."""
    _audit()
    _idempotency()
    _projects()
    _jobs()
    _model_versions()
    _samples()
    _store_problems()
    _assignments()
    _descriptions()
    _labels()
    _predictions()
    _queue()
    _skips()
    _model_labels()
    _audit_triggers()


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_append_only()")


def _audit_triggers() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{action.lower()} BEFORE {action} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        )


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), nullable=False)


def _refers(table: str, column: str, other: str) -> sa.Column[int]:
    key = sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{column}_{other}")
    return sa.Column(column, sa.Integer(), key, nullable=False)


def _audit() -> None:
    op.create_table(
        "audit",
        _id(),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_project_id", "audit", ["project_id", "id"])


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("route", sa.String(length=255), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", "route", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _projects() -> None:
    op.create_table(
        "projects",
        _id(),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.Column("store", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("serving_model_id", sa.Integer(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("labelled", sa.Integer(), nullable=False),
        sa.Column("validation", sa.Integer(), nullable=False),
        sa.Column("unreadable", sa.Integer(), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("vanished", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("next_calls", sa.Integer(), nullable=False),
        sa.Column("labels_since_training", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("deleted_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        _id(),
        _refers("jobs", "project_id", "projects"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_project_id", "jobs", ["project_id", "id"])
    op.create_index("ix_jobs_project_kind_state", "jobs", ["project_id", "kind", "state"])
    op.create_index("ix_jobs_state_priority", "jobs", ["state", "priority", "id"])


def _model_versions() -> None:
    op.create_table(
        "model_versions",
        _id(),
        _refers("model_versions", "project_id", "projects"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("app_version", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("weights_sha256", sa.String(length=64), nullable=True),
        sa.Column("weights_bytes", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("libraries", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("label_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("promoted_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("project_id", "number", name="uq_model_versions_project_id_number"),
    )


def _samples() -> None:
    op.create_table(
        "samples",
        _id(),
        _refers("samples", "project_id", "projects"),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("shape", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("spacing_mm", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=True),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("is_validation", sa.Boolean(), nullable=False),
        sa.Column("draw", sa.Float(), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=True),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("skips", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_samples"),
        sa.UniqueConstraint("project_id", "name", name="uq_samples_project_id_name"),
    )
    op.create_index("ix_samples_project_id", "samples", ["project_id", "id"])
    op.create_index("ix_samples_project_state_draw", "samples", ["project_id", "state", "draw"])
    op.create_index("ix_samples_project_state_id", "samples", ["project_id", "state", "id"])
    op.create_index("ix_samples_project_state_name", "samples", ["project_id", "state", "name"])
    op.create_index(
        "ix_samples_validation",
        "samples",
        ["project_id", "state"],
        sqlite_where=sa.text("is_validation = 1"),
        postgresql_where=sa.text("is_validation"),
    )


def _store_problems() -> None:
    op.create_table(
        "store_problems",
        _id(),
        _refers("store_problems", "project_id", "projects"),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_store_problems"),
        sa.UniqueConstraint("project_id", "path", name="uq_store_problems_project_id_path"),
    )


def _assignments() -> None:
    op.create_table(
        "assignments",
        _id(),
        _refers("assignments", "project_id", "projects"),
        _refers("assignments", "sample_id", "samples"),
        sa.Column("annotator", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("strategy", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
    )
    op.create_index(
        "ix_assignments_held_expiry",
        "assignments",
        ["project_id", "expires_at"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "ix_assignments_project_annotator_state",
        "assignments",
        ["project_id", "annotator", "state"],
    )
    op.create_index("ix_assignments_sample_annotator", "assignments", ["sample_id", "annotator"])
    op.create_index(
        "uq_assignments_held_slot",
        "assignments",
        ["sample_id", "slot"],
        unique=True,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )


def _descriptions() -> None:
    op.create_table(
        "descriptions",
        _refers("descriptions", "model_id", "model_versions"),
        _refers("descriptions", "sample_id", "samples"),
        _refers("descriptions", "project_id", "projects"),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("class_scores", sa.LargeBinary(), nullable=False),
        sa.Column("class_fractions", sa.LargeBinary(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "sample_id", name="pk_descriptions"),
    )
    op.create_index("ix_descriptions_sample", "descriptions", ["sample_id"])


def _labels() -> None:
    op.create_table(
        "labels",
        _id(),
        _refers("labels", "project_id", "projects"),
        _refers("labels", "sample_id", "samples"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=True),
        sa.Column("adopted_from", sa.String(length=1024), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint("sample_id", "version", name="uq_labels_sample_id_version"),
    )
    op.create_index("ix_labels_project_id", "labels", ["project_id", "id"])
    op.create_index("ix_labels_project_state_id", "labels", ["project_id", "state", "id"])
    op.create_index("ix_labels_sample_sha256", "labels", ["sample_id", "sha256"])


def _predictions() -> None:
    op.create_table(
        "predictions",
        _refers("predictions", "model_id", "model_versions"),
        _refers("predictions", "sample_id", "samples"),
        _refers("predictions", "project_id", "projects"),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "sample_id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_sample", "predictions", ["sample_id"])
    op.create_index("ix_predictions_sha256", "predictions", ["sha256"])


def _queue() -> None:
    op.create_table(
        "queue",
        _refers("queue", "project_id", "projects"),
        sa.Column("position", sa.Integer(), nullable=False),
        _refers("queue", "sample_id", "samples"),
        sa.Column("strategy", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "position", name="pk_queue"),
        sa.UniqueConstraint("sample_id", name="uq_queue_sample_id"),
    )


def _skips() -> None:
    op.create_table(
        "skips",
        _refers("skips", "sample_id", "samples"),
        sa.Column("annotator", sa.String(length=200), nullable=False),
        _refers("skips", "project_id", "projects"),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sample_id", "annotator", name="pk_skips"),
    )
    op.create_index("ix_skips_project_annotator", "skips", ["project_id", "annotator"])


def _model_labels() -> None:
    op.create_table(
        "model_labels",
        _refers("model_labels", "model_id", "model_versions"),
        _refers("model_labels", "label_id", "labels"),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "label_id", name="pk_model_labels"),
    )
