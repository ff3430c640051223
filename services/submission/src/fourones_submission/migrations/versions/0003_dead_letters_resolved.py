"""Dead letters that can be repaired, replayed and discarded, and their limit."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With defaults, so that workers of the release before go on adding rows while this one is rolled out.
    op.add_column("dead_letter", sa.Column("consumer_group", sa.String(), nullable=False, server_default=""))
    op.add_column("dead_letter", sa.Column("state", sa.String(), nullable=False, server_default="waiting"))
    op.add_column("dead_letter", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("dead_letter", sa.Column("note", sa.String(), nullable=True))
    # A topic is read by one group of a service.
    op.execute(
        "UPDATE dead_letter AS letter SET consumer_group = position.consumer_group FROM consumer_position AS position"
        " WHERE position.topic = letter.topic AND position.partition = letter.partition"
    )
    op.create_index("dead_letter_place", "dead_letter", ["topic", "partition", "record_offset"], unique=False)
    op.create_index(
        "dead_letter_waiting",
        "dead_letter",
        ["consumer_group", "recorded_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "dead_letter_step",
        sa.Column("dead_letter_step_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("dead_letter_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["dead_letter_id"], ["dead_letter.dead_letter_id"]),
        sa.PrimaryKeyConstraint("dead_letter_step_id"),
    )
    op.create_index("ix_dead_letter_step_dead_letter_id", "dead_letter_step", ["dead_letter_id"], unique=False)
    op.create_table(
        "dead_letter_limit",
        sa.Column("consumer_group", sa.String(), nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("consumer_group"),
    )


def downgrade() -> None:
    op.drop_table("dead_letter_limit")
    op.drop_table("dead_letter_step")
    op.drop_index("dead_letter_waiting", "dead_letter")
    op.drop_index("dead_letter_place", "dead_letter")
    for column in ("note", "resolved_at", "state", "consumer_group"):
        op.drop_column("dead_letter", column)
