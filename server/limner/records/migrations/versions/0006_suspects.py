"""Labels that look wrong to a model that has not learnt from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: nothing has been reviewed yet."""
    op.create_table(
        "suspects",
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sample_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("model_says", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name="fk_suspects_label_id_labels"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_suspects_project_id_projects"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name="fk_suspects_sample_id_samples"
        ),
        sa.PrimaryKeyConstraint("label_id", name="pk_suspects"),
    )
    op.create_index("ix_suspects_project_score", "suspects", ["project_id", "score", "label_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("suspects")
