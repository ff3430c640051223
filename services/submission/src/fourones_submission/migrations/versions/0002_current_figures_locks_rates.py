"""Current figures with their values; locks of periods; request rates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "figure_current",
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("indicator", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.Column("since", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("org", "indicator", "period"),
    )
    # What exists is known; the values come with the next revision, or with `fourones-submission recover`.
    op.execute(
        "INSERT INTO figure_current (org, indicator, period, figures, since)"
        " SELECT org, indicator, period,"
        " (SELECT jsonb_object_agg(c, jsonb_build_array(NULL, 'A', 0)) FROM unnest(clusters) AS c), '{}'"
        " FROM figure_known WHERE clusters <> '{}'"
    )
    op.drop_table("figure_known")
    op.create_table(
        "period_lock",
        sa.Column("period_lock_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("indicator", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("period_lock_id"),
    )
    op.create_index("period_lock_of", "period_lock", ["org", "indicator", "period", "period_lock_id"], unique=False)
    op.create_index("submission_by_time", "submission", ["received_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "request_rate",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("spoken_for_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    op.create_table(
        "figure_known",
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("indicator", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("clusters", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("org", "indicator", "period"),
    )
    op.execute(
        "INSERT INTO figure_known (org, indicator, period, clusters)"
        " SELECT org, indicator, period, ARRAY(SELECT jsonb_object_keys(figures)) FROM figure_current"
    )
    op.drop_index("submission_by_time", table_name="submission")
    for table in ("figure_current", "period_lock", "request_rate"):
        op.drop_table(table)
