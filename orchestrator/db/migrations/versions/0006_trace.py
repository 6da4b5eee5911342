"""Where in a trace a job was made, so that its work shows in the same tree."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("trace", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "trace")
