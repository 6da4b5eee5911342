"""What users and tenants have used, by day; the tenant of a job."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COUNTED = ("jobs", "completed", "failed", "model_ms", "upload_bytes")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("tenant", sa.String(), nullable=True))
    op.create_table(
        "daily_usage",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in COUNTED),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_daily_usage_user_id")),
        sa.PrimaryKeyConstraint("user_id", "day", "tenant", name=op.f("pk_daily_usage")),
    )
    op.create_index(op.f("ix_daily_usage_day"), "daily_usage", ["day"])


def downgrade() -> None:
    op.drop_table("daily_usage")
    op.drop_column("jobs", "tenant")
