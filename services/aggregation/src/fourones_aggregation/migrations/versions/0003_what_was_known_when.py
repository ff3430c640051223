"""Every version of roll-ups and duties by snapshot; computed values; results of verification; rates of keys."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshot_taken",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_snapshot_taken_taken_at"), "snapshot_taken", ["taken_at"], unique=False)
    for column in _computed():
        op.add_column("rollup", column)
    op.create_table(
        "rollup_version",
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("rule", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("unit", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("reported", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("provisional", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Integer(), nullable=False),
        sa.Column("forecast", sa.Integer(), nullable=False),
        *_computed(),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("cause", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rollup_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rollup_id", "snapshot"),
    )
    op.add_column("duty", sa.Column("since", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("duty", "since", server_default=None)
    op.create_table(
        "duty_past",
        sa.Column("indicator_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("cluster_id", sa.Integer(), nullable=False),
        sa.Column("tier_id", sa.Integer(), nullable=False),
        sa.Column("reporter_id", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("may_not_apply", sa.Boolean(), nullable=False),
        sa.Column("repeats", sa.SmallInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("indicator_id", "period_id", "org_id", "cluster_id", "since"),
    )
    op.create_index("duty_past_by_period", "duty_past", ["period_id", "indicator_id", "org_id", "cluster_id"])
    op.create_table(
        "verification",
        sa.Column("verification_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scope", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("verification_id"),
    )
    op.create_table(
        "request_rate",
        sa.Column("key_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("spoken_for_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        prefixes=["UNLOGGED"],
    )
    # History begins here: what was known before this snapshot was not kept.
    op.execute(
        "INSERT INTO snapshot_taken (number, taken_at, catalogue_version) SELECT number, taken_at,"
        " coalesce((SELECT version FROM catalogue_in_force), 0) FROM snapshot"
    )
    op.execute("UPDATE duty SET since = (SELECT number FROM snapshot)")
    op.execute(
        "INSERT INTO rollup_version (rollup_id, snapshot, live, rule, unit, due_at, total, reported, expected,"
        " provisional, estimated, forecast, version, cause, catalogue_version, recorded_at, accepted_at)"
        " SELECT rollup_id, snapshot, live, rule, unit, due_at, total, reported, expected, provisional, estimated,"
        " forecast, version, cause, catalogue_version, recorded_at, accepted_at FROM rollup"
    )


def downgrade() -> None:
    op.drop_table("request_rate")
    op.drop_table("verification")
    op.drop_table("duty_past")
    op.drop_column("duty", "since")
    op.drop_table("rollup_version")
    for column in _computed():
        op.drop_column("rollup", column.name)
    op.drop_table("snapshot_taken")


def _computed() -> list[sa.Column]:
    return [
        sa.Column("computed", sa.Numeric(), nullable=True),
        sa.Column("computed_known", sa.Integer(), nullable=True),
        sa.Column("computed_of", sa.Integer(), nullable=True),
        sa.Column("computed_missing", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("computed_status", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    ]
