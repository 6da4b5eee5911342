"""Consent to the processing of biometric data, where the settings ask for it."""

from uuid import UUID

from orchestrator import db
from orchestrator.errors import ConsentRequired
from orchestrator.services import Services


async def is_given(services: Services, user: UUID) -> bool:
    """Whether the user has consented to the version in force, or none is.

    Consent may be withdrawn at any moment: who has written something asks once more. Either they see that it was
    withdrawn, or whoever withdraws it sees what they have written.
    """
    wanted = services.settings.consent_version
    if not wanted:
        return True
    async with services.db() as session:
        row = await db.accounts.user_of(session, user)
    return row is not None and row.consent_version == wanted


async def require(services: Services, user: UUID) -> None:
    """Raises ConsentRequired unless the user has consented."""
    if not await is_given(services, user):
        raise ConsentRequired
