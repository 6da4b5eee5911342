"""Whether a job is to find both eyes of its photo, and the job of the other one."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("eyes", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("other_eye_job_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "other_eye_job_id")
    op.drop_column("jobs", "eyes")
