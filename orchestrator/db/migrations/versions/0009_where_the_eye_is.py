"""Where the sender says that the eye is, how many eyes were found, and the code of what went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("at_x", sa.Float(), nullable=True))
    op.add_column("jobs", sa.Column("at_y", sa.Float(), nullable=True))
    op.add_column("jobs", sa.Column("eyes_found", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("error_code", sa.String(), nullable=True))


def downgrade() -> None:
    for column in ("error_code", "eyes_found", "at_y", "at_x"):
        op.drop_column("jobs", column)
