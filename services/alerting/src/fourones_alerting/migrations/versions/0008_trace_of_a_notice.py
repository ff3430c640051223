"""The trace of what is told: which request moved an assessment last, and which one a notice tells of."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("assessment", "notice"):
        op.add_column(table, sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    for table in ("assessment", "notice"):
        op.drop_column(table, "traceparent")
