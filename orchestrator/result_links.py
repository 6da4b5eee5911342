"""Where people look at a job's result: on the service's own page, and in an app."""

from uuid import UUID

from orchestrator.config import Settings


def result_links(settings: Settings, job_id: UUID) -> dict[str, str]:
    """`url`, and `deep_link` where the settings have one. Both need the user's own token: they give nothing away."""
    links = {"url": f"{settings.public_url.rstrip('/')}/?job={job_id}"}
    if settings.deep_link:
        links["deep_link"] = settings.deep_link.replace("{job_id}", str(job_id))
    return links
