"""The crop that became the result, as it was photographed: apps lay the two over each other."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("before_key", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "before_key")
