"""A function that takes jobs in: limits, photos, idempotency and rows in one round trip.

The columns of a job come as JSON, so that a later column needs no other function.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SUBMIT_JOBS = """
CREATE FUNCTION submit_jobs(
    caller uuid, new_jobs jsonb, of_user integer, of_all integer, busy boolean, answer_key text, answer_print text
) RETURNS TABLE (refusal text, counted bigint, job jobs) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    earlier first_answers;
    waiting bigint;
    missing text;
BEGIN
    INSERT INTO users (id) VALUES (caller) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM users WHERE id = caller FOR NO KEY UPDATE;  -- what is counted from here on stays true
    IF answer_key IS NOT NULL THEN
        SELECT * INTO earlier FROM first_answers AS a WHERE a.user_id = caller AND a.key = answer_key;
        IF FOUND AND earlier.fingerprint <> answer_print THEN
            RETURN QUERY SELECT 'key', 0::bigint, NULL::jobs;
            RETURN;
        ELSIF FOUND THEN
            RETURN QUERY SELECT 'earlier', jsonb_array_length(earlier.made)::bigint, j
                FROM jsonb_array_elements_text(earlier.made) WITH ORDINALITY AS made (id, n)
                LEFT JOIN jobs AS j ON j.id = made.id::uuid ORDER BY made.n;
            RETURN;
        END IF;
    END IF;
    IF busy THEN
        RETURN QUERY SELECT 'busy', 0::bigint, NULL::jobs;
        RETURN;
    END IF;
    SELECT count(*) INTO waiting FROM (
        SELECT FROM jobs AS j WHERE j.user_id = caller AND j.status IN ('pending', 'processing') LIMIT of_user
    ) AS unfinished;
    IF waiting + jsonb_array_length(new_jobs) > of_user THEN
        RETURN QUERY SELECT 'user', waiting, NULL::jobs;
        RETURN;
    END IF;
    SELECT count(*) INTO waiting FROM (
        SELECT FROM jobs AS j WHERE j.status IN ('pending', 'processing') LIMIT of_all
    ) AS unfinished;
    IF waiting + jsonb_array_length(new_jobs) > of_all THEN
        RETURN QUERY SELECT 'all', waiting, NULL::jobs;
        RETURN;
    END IF;
    SELECT wanted.row ->> 'photo_id' INTO missing
        FROM jsonb_array_elements(new_jobs) WITH ORDINALITY AS wanted (row, n)
        LEFT JOIN photos AS p ON p.id = (wanted.row ->> 'photo_id')::uuid AND p.user_id = caller
        WHERE p.id IS NULL ORDER BY wanted.n LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'photo ' || missing, 0::bigint, NULL::jobs;
        RETURN;
    END IF;
    IF answer_key IS NOT NULL THEN
        INSERT INTO first_answers (user_id, key, fingerprint, made)
            SELECT caller, answer_key, answer_print, jsonb_agg(made.row -> 'id' ORDER BY made.n)
            FROM jsonb_array_elements(new_jobs) WITH ORDINALITY AS made (row, n)
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN  -- another kind of request has used the key in this moment
            RETURN QUERY SELECT 'key', 0::bigint, NULL::jobs;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY WITH added AS (
        INSERT INTO jobs AS j
            SELECT made.* FROM jsonb_array_elements(new_jobs) WITH ORDINALITY AS wanted (row, n),
            LATERAL jsonb_populate_record(
                NULL::jobs,
                wanted.row || jsonb_build_object('created_at', clock_timestamp(), 'updated_at', now())
            ) AS made
            ORDER BY wanted.n
            RETURNING j AS row
    )
    SELECT NULL::text, 0::bigint, added.row FROM added;
END $$
"""


def upgrade() -> None:
    op.execute(SUBMIT_JOBS)


def downgrade() -> None:
    op.execute("DROP FUNCTION submit_jobs")
