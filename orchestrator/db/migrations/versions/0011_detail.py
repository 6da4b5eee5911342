"""How much detail a job was asked for, and how much its result has."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("detail", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("detail_used", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "detail_used")
    op.drop_column("jobs", "detail")
