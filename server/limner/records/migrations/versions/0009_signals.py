"""How far labels leave what was offered as it was, and versions agree with those before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_WAITING = sa.text("compared_with IS NOT NULL AND agreement IS NULL")
_COMPARED = sa.text("agreement IS NOT NULL")


def upgrade() -> None:
    """Apply: of the labels that are there, it is not known what was offered."""
    op.add_column("assignments", sa.Column("offered", sa.Integer(), nullable=True))
    op.add_column("labels", sa.Column("compared_with", sa.Integer(), nullable=True))
    op.add_column("labels", sa.Column("agreement", sa.Float(), nullable=True))
    op.add_column("model_versions", sa.Column("stability", sa.JSON(), nullable=True))
    op.create_index(
        "ix_labels_to_compare", "labels", ["id"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index(
        "ix_labels_compared",
        "labels",
        ["project_id", "id"],
        sqlite_where=_COMPARED,
        postgresql_where=_COMPARED,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_labels_compared", table_name="labels")
    op.drop_index("ix_labels_to_compare", table_name="labels")
    op.drop_column("model_versions", "stability")
    op.drop_column("labels", "agreement")
    op.drop_column("labels", "compared_with")
    op.drop_column("assignments", "offered")
