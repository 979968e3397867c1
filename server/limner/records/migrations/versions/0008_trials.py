"""Arms of strategies, and trials of what each of them buys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: every pick that is there is of no arm."""
    for table in ("queue", "assignments"):
        op.add_column(
            table,
            sa.Column("arm", sa.String(length=64), nullable=False, server_default=sa.text("''")),
        )
    op.create_index(
        "ix_assignments_arm",
        "assignments",
        ["project_id", "arm", "state"],
        sqlite_where=sa.text("arm <> ''"),
        postgresql_where=sa.text("arm <> ''"),
    )
    op.create_table(
        "trials",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=64), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=False),
        sa.Column("newest_label_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_trials_project_id_projects"
        ),
        sa.PrimaryKeyConstraint("project_id", "job_id", "arm", name="pk_trials"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("trials")
    op.drop_index("ix_assignments_arm", table_name="assignments")
    for table in ("assignments", "queue"):
        op.drop_column(table, "arm")
