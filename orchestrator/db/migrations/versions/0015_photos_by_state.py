"""A user's photos in one state, newest first."""

from alembic import op

from orchestrator.db.migrations.concurrent import create_index

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "ix_photos_user_id_ai_processing_status_created_at"


def upgrade() -> None:
    create_index(revision, NAME, "photos", ["user_id", "ai_processing_status", "created_at"])


def downgrade() -> None:
    op.drop_index(NAME, table_name="photos")
