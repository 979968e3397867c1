"""The kind of label that a project collects, whether its app is there or not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: every project that is there segments."""
    op.add_column(
        "projects",
        sa.Column("task", sa.String(length=16), nullable=False, server_default="segmentation"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("projects", "task")
