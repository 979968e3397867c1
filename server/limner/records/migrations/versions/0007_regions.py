"""Parts of images: what was asked for, and what a label says it is of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: everything so far is of whole images."""
    op.add_column("queue", sa.Column("region", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("assignments", sa.Column("region", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("descriptions", sa.Column("region", sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "descriptions",
        sa.Column("asked", sa.String(length=64), nullable=False, server_default=sa.text("''")),
    )
    for column in (
        sa.Column("region", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("regions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("submitted_sha256", sa.String(length=64), nullable=True),
        sa.Column("submitted_format", sa.String(length=32), nullable=True),
    ):
        op.add_column("labels", column)


def downgrade() -> None:
    """Take back."""
    for column in ("submitted_format", "submitted_sha256", "regions", "region"):
        op.drop_column("labels", column)
    op.drop_column("descriptions", "asked")
    for table in ("descriptions", "assignments", "queue"):
        op.drop_column(table, "region")
