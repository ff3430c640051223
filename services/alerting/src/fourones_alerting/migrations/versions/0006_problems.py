"""The problem list, with a history that can only grow."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "problem",
        sa.Column("problem_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=True),
        sa.Column("cluster", sa.String(), nullable=True),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("plan", sa.String(), nullable=True),
        sa.Column("raised_by", sa.String(), nullable=True),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("responsible", postgresql.JSONB(), nullable=False),
        sa.Column("held_by", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_by", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("episode", sa.Integer(), nullable=True),
        sa.Column("light_is_red", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("problem_id"),
    )
    op.create_index(
        "problem_of_light",
        "problem",
        ["target"],
        unique=True,
        postgresql_where=sa.text("origin = 'light' AND state <> 'closed'"),
    )
    op.create_index("problem_target", "problem", ["target", "episode"], unique=False)
    op.create_index(
        "problem_open", "problem", ["problem_id"], unique=False, postgresql_where=sa.text("state <> 'closed'")
    )
    op.create_table(
        "problem_step",
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("responsible", postgresql.JSONB(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.problem_id"]),
        sa.PrimaryKeyConstraint("step"),
    )
    op.create_index("problem_step_of", "problem_step", ["problem_id", "step"], unique=False)
    op.create_index("ix_problem_step_taken_at", "problem_step", ["taken_at"], unique=False)
    op.create_table(
        "problem_chain",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("problems", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("singleton"),
    )
    op.create_table(
        "problem_request",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("problem_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key"),
    )
    op.execute("INSERT INTO problem_chain VALUES (true, 0, 0, repeat('0', 64))")
    op.execute(
        """
        CREATE FUNCTION problem_history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the history of problems can only grow: % on % is refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    # A statement that would touch no row is refused, too: whoever tries is told.
    op.execute(
        "CREATE TRIGGER problem_step_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON problem_step"
        " FOR EACH STATEMENT EXECUTE FUNCTION problem_history_stays()"
    )


def downgrade() -> None:
    for table in ("problem_request", "problem_chain", "problem_step", "problem"):
        op.drop_table(table)
    op.execute("DROP FUNCTION problem_history_stays()")
