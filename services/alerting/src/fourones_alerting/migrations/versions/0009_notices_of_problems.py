"""Notices about the steps of problems: which problem a notice is about, and how far the history has been told."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notice", sa.Column("problem", sa.BigInteger(), nullable=True))
    op.create_table(
        "problem_told",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("told_through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("singleton"),
    )
    # What happened before anybody could be told of it is not told in arrears.
    op.execute("INSERT INTO problem_told (singleton, told_through) SELECT true, steps FROM problem_chain")


def downgrade() -> None:
    op.drop_table("problem_told")
    op.drop_column("notice", "problem")
