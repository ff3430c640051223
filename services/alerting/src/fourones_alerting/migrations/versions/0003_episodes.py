"""Episodes: the stretches during which a target was red."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "episode",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_in", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("target", "number"),
    )
    op.create_index("episode_open", "episode", ["target"], unique=True, postgresql_where=sa.text("ended_at IS NULL"))
    # What is red already when this release arrives has been so since it was judged.
    op.execute(
        "INSERT INTO episode (target, number, began_at, began_in)"
        " SELECT target, 1, judged_at, period FROM assessment WHERE light = 'red'"
    )


def downgrade() -> None:
    op.drop_table("episode")
