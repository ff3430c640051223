"""Snapshots, so that every answer can be given again; contributions, intervals, versions of verdicts; rates of keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("assessment", "assessment_revision")


def upgrade() -> None:
    op.create_table(
        "request_rate",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("spoken_for_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "snapshot",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("singleton"),
    )
    op.create_table(
        "snapshot_taken",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_snapshot_taken_taken_at"), "snapshot_taken", ["taken_at"], unique=False)
    # With defaults, so that workers of the release before go on writing while this one is rolled out.
    for table in TABLES:
        op.add_column(table, sa.Column("forecast_low", sa.Numeric(), nullable=True))
        op.add_column(table, sa.Column("forecast_high", sa.Numeric(), nullable=True))
        op.add_column(table, sa.Column("contributions", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
        op.add_column(table, sa.Column("snapshot", sa.BigInteger(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("assessment_revision", sa.Column("replaced_in", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("assessment_revision", sa.Column("said_again", sa.Boolean(), nullable=False, server_default="false"))
    _number_the_past()
    op.create_index(
        "assessment_revision_snapshots", "assessment_revision", ["target", "replaced_in", "snapshot"], unique=False
    )


def _number_the_past() -> None:
    """Give the moments at which something was written before there were snapshots their numbers, in order."""
    op.execute(
        """
        INSERT INTO snapshot_taken (number, taken_at, catalogue_version)
        SELECT row_number() OVER (ORDER BY at), at, max(max(version)) OVER (ORDER BY at)
        FROM (
            SELECT judged_at AS at, catalogue_version AS version FROM assessment
            UNION ALL SELECT judged_at, catalogue_version FROM assessment_revision
            UNION ALL SELECT replaced_at, catalogue_version FROM assessment_revision
        ) AS written GROUP BY at
        """
    )
    # What a removal leaves behind was written under a later catalogue than the row that it took away.
    op.execute(
        """
        INSERT INTO snapshot_taken (number, taken_at, catalogue_version)
        SELECT coalesce((SELECT max(number) FROM snapshot_taken), 0) + 1,
            greatest(clock_timestamp(), (SELECT max(taken_at) FROM snapshot_taken)), version
        FROM catalogue_in_force WHERE version > 0
        """
    )
    for table in TABLES:
        op.execute(
            f"UPDATE {table} SET snapshot = number FROM snapshot_taken WHERE taken_at = judged_at"  # noqa: S608
        )
    op.execute("UPDATE assessment_revision SET replaced_in = number FROM snapshot_taken WHERE taken_at = replaced_at")
    op.execute(
        """
        INSERT INTO snapshot (singleton, number, taken_at, version)
        SELECT true, coalesce(max(number), 0), coalesce(max(taken_at), to_timestamp(0)), 0 FROM snapshot_taken
        """
    )


def downgrade() -> None:
    op.drop_index("assessment_revision_snapshots", "assessment_revision")
    # The release before keeps only what said something else.
    op.execute("DELETE FROM assessment_revision WHERE said_again")
    for column in ("said_again", "replaced_in"):
        op.drop_column("assessment_revision", column)
    for table in TABLES:
        for column in ("version", "snapshot", "contributions", "forecast_high", "forecast_low"):
            op.drop_column(table, column)
    for table in ("snapshot_taken", "snapshot", "request_rate"):
        op.drop_table(table)
