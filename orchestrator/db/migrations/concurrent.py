"""Indexes on tables that are in use: built while others write, so outside of the migration's transaction."""

from alembic import op

from orchestrator.db.migrations import lock


class AlreadyDone(Exception):
    """Another migrator has made this index, and said so, in the meantime."""


def create_index(revision: str, name: str, table: str, columns: list[str]) -> None:
    """Build an index beside running queries. A migration that does this does nothing else, so that it may run twice.

    The lock that keeps other migrators out ends with the transaction, so it is taken again afterwards.
    An earlier try that was broken off has left an index that is not valid: it is built anew.

    Raises:
        AlreadyDone: there is nothing left to do.
    """
    connection, say = op.get_bind(), op.get_context().opts["say"]
    broken = f"SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid"  # noqa: S608
    connection.commit()  # not Alembic's transaction, but that of the lock
    connection.execution_options(isolation_level="AUTOCOMMIT")
    if connection.exec_driver_sql(broken).scalar():
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True)
    connection.commit()
    connection.execution_options(isolation_level=connection.default_isolation_level)
    lock.take(connection, say)
    if (connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "") >= revision:
        raise AlreadyDone
