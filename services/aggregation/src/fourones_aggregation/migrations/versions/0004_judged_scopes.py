"""What targets name, so that it is published first."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty until the next catalogue switch or rebuild; until then everything is published after it has settled.
    op.create_table(
        "judged_scope",
        *(
            sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)
            for name in ("indicator_id", "org_id", "cluster_id", "tier_id")
        ),
        sa.PrimaryKeyConstraint("indicator_id", "org_id", "cluster_id", "tier_id"),
    )
    op.add_column("rollup_pending", sa.Column("is_judged", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("rollup_pending_since", table_name="rollup_pending")
    op.create_index("rollup_pending_next", "rollup_pending", ["is_judged", "since", "rollup_id"], unique=False)


def downgrade() -> None:
    op.drop_index("rollup_pending_next", table_name="rollup_pending")
    op.create_index("rollup_pending_since", "rollup_pending", ["since", "rollup_id"], unique=False)
    op.drop_column("rollup_pending", "is_judged")
    op.drop_table("judged_scope")
