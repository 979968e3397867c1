"""What clients keep: tags of labels, remarks on labels and samples, and sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: every label that is there is the label itself."""
    op.add_column(
        "labels",
        sa.Column("tag", sa.String(length=64), nullable=False, server_default=sa.text("''")),
    )
    op.create_index(
        "ix_labels_tag",
        "labels",
        ["project_id", "tag", "sample_id"],
        sqlite_where=sa.text("tag <> ''"),
        postgresql_where=sa.text("tag <> ''"),
    )
    for owner in ("label", "sample"):
        op.create_table(
            f"{owner}_remarks",
            sa.Column(f"{owner}_id", sa.Integer(), nullable=False),
            sa.Column("remarks", sa.JSON(), nullable=False),
            sa.ForeignKeyConstraint(
                [f"{owner}_id"],
                [f"{owner}s.id"],
                name=f"fk_{owner}_remarks_{owner}_id_{owner}s",
            ),
            sa.PrimaryKeyConstraint(f"{owner}_id", name=f"pk_{owner}_remarks"),
        )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_access_at", sa.Float(), nullable=False),
        sa.Column("expiry_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_sessions_project_id_projects"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("sessions")
    op.drop_table("sample_remarks")
    op.drop_table("label_remarks")
    op.drop_index("ix_labels_tag", table_name="labels")
    op.drop_column("labels", "tag")
