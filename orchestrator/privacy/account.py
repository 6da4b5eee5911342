"""What users do with their own account: consent, an export of everything, deletion of everything."""

import tempfile
from pathlib import Path
from uuid import UUID, uuid4

from orchestrator import db, object_keys
from orchestrator.db.tables import Export, User
from orchestrator.errors import Invalid, IrisvueError, NotFound
from orchestrator.jobs import cancellation
from orchestrator.observability.logs import log
from orchestrator.privacy import subject_data
from orchestrator.privacy.subject_data import HeldData
from orchestrator.services import Services

EXPORT_LEASE_S = 1800.0
TRIES = 3  # of a deletion while new data arrive


async def account(services: Services, user: UUID) -> User:
    """The user's row, made if this is the first call."""
    async with services.db.begin() as session:
        await db.users.ensure_user(session, user)
        row = await db.accounts.user_of(session, user)
    if row is None:
        raise NotFound
    return row


async def give_consent(services: Services, user: UUID, version: str) -> User:
    """Note the user's consent. Raises Invalid for another version than the one in force."""
    wanted = services.settings.consent_version
    if wanted and version != wanted:
        raise Invalid(f"The version in force is {wanted}.")
    async with services.db.begin() as session:
        await db.users.lock_user(session, user)
        await db.accounts.set_consent(session, user, version)
    log.info("consent given", user_id=str(user), version=version)
    return await account(services, user)


async def withdraw_consent(services: Services, user: UUID) -> User:
    """Take the user's consent back, and cancel what is being processed. Photos and results stay until deleted."""
    async with services.db.begin() as session:
        await db.users.lock_user(session, user)
        await db.accounts.set_consent(session, user, None)
    async with services.db() as session:
        unfinished = await db.accounts.unfinished_job_ids(session, user)
    for job in await cancellation.cancel_all(services, unfinished):
        await cancellation.remove_objects(services, job)
    log.info("consent withdrawn", user_id=str(user), jobs=len(unfinished))
    return await account(services, user)


async def delete(services: Services, user: UUID) -> HeldData:
    """Delete everything about the user; returns what is left, which is nothing. Can be called twice, and at once.

    Raises:
        StoreUnavailable: the object store can't be reached; call it again.
    """
    for _ in range(TRIES):
        try:
            left = await subject_data.erase(services, user)
        except NotFound:
            left = await subject_data.count_held(services, user)
        if left.nothing:
            break
    return left


# Exports
async def begin_export(services: Services, user: UUID) -> Export:
    """Have everything about the user put into one ZIP; an export that has not ended is the answer again."""
    async with services.db.begin() as session:
        await db.users.lock_user(session, user)
        if unfinished := await db.accounts.unfinished_export(session, user):
            return unfinished
        export_id = uuid4()
        key = object_keys.export_key(user, export_id)
        return await db.accounts.add_export(session, id=export_id, user_id=user, object_key=key)


async def make_exports(services: Services) -> None:
    """Make every export that is asked for."""
    while True:
        async with services.db.begin() as session:
            export = await db.accounts.take_export(session, EXPORT_LEASE_S)
        if export is None:
            return
        await _make(services, export)


async def _make(services: Services, export: Export) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="irisvue-export-") as folder:
            path = Path(folder) / "export.zip"
            await subject_data.export(services, export.user_id, path)
            size_bytes = path.stat().st_size
            await services.storage.put_file(export.object_key, path)
        status = "completed"
    except (IrisvueError, OSError) as error:  # the account may have been deleted meanwhile
        log.warning("export failed", export_id=str(export.id), error=type(error).__name__)
        status, size_bytes = "failed", None
    async with services.db.begin() as session:
        kept = await db.accounts.end_export(session, export.id, status, size_bytes)
    if not kept:
        await services.storage.delete([export.object_key])
