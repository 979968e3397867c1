"""Descriptors: what the pixels of a sample say while no model describes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "descriptors",
        sa.Column("sample_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name="fk_descriptors_sample_id_samples"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_descriptors_project_id_projects"
        ),
        sa.PrimaryKeyConstraint("sample_id", name="pk_descriptors"),
    )
    op.create_index("ix_descriptors_project_sample", "descriptors", ["project_id", "sample_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("descriptors")
