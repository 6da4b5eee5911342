"""Photos know their state and their file's name; results have thumbnails.

A trigger keeps the state, so that it is also right while an older version, which does not know of it, changes jobs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATE = """
SELECT CASE WHEN bool_or(status = 'processing') THEN 'processing'
            WHEN bool_or(status = 'pending') THEN 'pending'
            WHEN bool_or(status = 'completed') THEN 'completed'
            WHEN bool_or(status = 'failed') THEN 'failed' END
FROM jobs WHERE photo_id = {photo}
"""
# The photo is locked first: of two jobs that end at once, the later one then sees how the earlier one ended.
FUNCTION = f"""
CREATE FUNCTION keep_state_of_photo() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE state text;
BEGIN
  PERFORM 1 FROM photos WHERE id = NEW.photo_id FOR NO KEY UPDATE;
  state := ({STATE.format(photo="NEW.photo_id")});
  UPDATE photos SET ai_processing_status = state
  WHERE id = NEW.photo_id AND ai_processing_status IS DISTINCT FROM state;
  RETURN NULL;
END $$
"""  # noqa: S608
TRIGGER = """
CREATE TRIGGER keep_state_of_photo AFTER INSERT OR UPDATE OF status ON jobs
FOR EACH ROW EXECUTE FUNCTION keep_state_of_photo()
"""


def upgrade() -> None:
    op.add_column("photos", sa.Column("ai_processing_status", sa.String(), nullable=True))
    op.add_column("photos", sa.Column("filename", sa.String(), nullable=True))
    op.add_column("uploads", sa.Column("filename", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("thumbnails", sa.Boolean(), nullable=True))
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    op.execute(f"UPDATE photos SET ai_processing_status = ({STATE.format(photo='photos.id')})")  # noqa: S608


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_state_of_photo ON jobs")
    op.execute("DROP FUNCTION keep_state_of_photo()")
    op.drop_column("jobs", "thumbnails")
    op.drop_column("uploads", "filename")
    op.drop_column("photos", "filename")
    op.drop_column("photos", "ai_processing_status")
