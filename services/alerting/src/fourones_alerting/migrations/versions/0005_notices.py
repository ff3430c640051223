"""Notices: what was told to whom, by which channel, and what is still to be told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "occasion",
        sa.Column("occasion_key", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("department", sa.String(), nullable=True),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("occasion_key"),
    )
    op.create_table(
        "notice",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("channel_kind", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("fact", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("period", sa.String(), nullable=True),
        sa.Column("episode", sa.Integer(), nullable=True),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("next_attempt_at", moment, nullable=False),
        sa.Column("try_until", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted_at", moment, nullable=True),
        sa.Column("settled_at", moment, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("part_of", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["part_of"], ["notice.number"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("channel", "fact", name="notice_once"),
    )
    op.create_index("notice_about", "notice", ["target", "channel", "number"], unique=False)
    op.create_index(
        "notice_unsettled",
        "notice",
        ["channel", "attempts", "number"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'sending', 'given_up')"),
    )
    op.create_index("ix_notice_part_of", "notice", ["part_of"], unique=False)
    op.create_table(
        "channel_standing",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("held_until", moment, nullable=True),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_table(
        "channel_attempt",
        sa.Column("channel_attempt_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("attempted_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("channel_attempt_id"),
    )
    op.create_index("channel_attempt_recent", "channel_attempt", ["channel", "attempted_at"], unique=False)


def downgrade() -> None:
    for table in ("channel_attempt", "channel_standing", "notice", "occasion"):
        op.drop_table(table)
