"""Every setting, and the only place that reads the environment (names start with IRISVUE_)."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What one process of Irisvue needs to know. `irisvue up` sets all of it for one machine."""

    model_config = SettingsConfigDict(env_prefix="IRISVUE_", env_file=None, extra="ignore")

    database_url: str = Field(
        default="postgresql+asyncpg://postgres@localhost/irisvue",
        description="PostgreSQL, as SQLAlchemy with asyncpg writes it.",
    )
    redis_url: str = Field(default="redis://localhost:6379/0", description="Redis: the queue and the progress streams.")
    storage_url: str = Field(
        default="file:///var/lib/irisvue/objects", description="file:///folder or s3://bucket/prefix"
    )
    s3_endpoint: str | None = Field(default=None, description="Address of an S3 server that is not Amazon's.")
    s3_public_endpoint: str | None = Field(
        default=None, description="Where clients reach the S3 server, if not at s3_endpoint; links are signed for it."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(
        default=None, description="Key of the bucket; without one, what the machine itself is allowed."
    )
    s3_secret_access_key: SecretStr | None = Field(default=None, description="Its secret.")
    s3_encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        default="", description="How the bucket encrypts what is put there; without one, as the bucket says."
    )
    s3_kms_key_id: str | None = Field(default=None, description="The key for aws:kms; without one, the account's own.")
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where clients reach the API.")
    cors_origins: str = Field(
        default="", description="Other web pages that may call the API, commas between: https://app.example.com"
    )

    region: str = Field(
        default="", description="This installation's region; a token whose claim `region` is another is sent there."
    )
    regions: dict[str, str] = Field(
        default={}, description='Where the others are, as JSON: {"eu": "https://eu.iris.example.com"}'
    )

    jwt_secret: SecretStr | None = Field(default=None, description="Secret of tokens that are signed with HS256.")
    jwks_url: str | None = Field(
        default=None,
        description="Address of the keys of tokens that are signed with RS256 or ES256; then jwt_secret is not used.",
    )
    jwt_audience: str | None = Field(default=None, description="The audience that a token must name, if set.")
    jwt_issuer: str | None = Field(default=None, description="The issuer that a token must name, if set.")
    link_secret: SecretStr = Field(
        default=SecretStr(""), description="Signs the short-lived links to a folder's objects."
    )
    link_seconds: int = Field(default=900, description="How long signed links to photos and results live.")

    inference: Literal["triton", "local"] = Field(
        default="triton", description="triton: a Triton server. local: ONNX Runtime in the worker."
    )
    triton_url: str = Field(
        default="localhost:8001",
        description="host:port; several, with commas between; or dns:///name:port for all that a name stands for",
    )
    triton_control_key: SecretStr | None = Field(
        default=None, description="What Triton asks for before it loads or unloads a model; only publishers need it."
    )
    triton_try_s: float = Field(
        default=5.0, gt=0, description="With several servers: a call unanswered for so long goes to another one."
    )
    model_repository: str = Field(
        default=str(ROOT / "model_repository"), description="A folder or s3://bucket/prefix; what Triton serves."
    )
    model_timeout_s: float = Field(default=30.0, description="For one call, waiting in line and retries included.")
    model_wait_s: float = Field(default=60.0, description="While the models are away, a job waits for them this long.")
    tiles_in_flight: int = Field(default=4, ge=1, description="Tiles of one photo that wait for the enhancer at once.")

    max_upload_bytes: int = Field(default=40 * 1024 * 1024, description="Larger photos are refused with 413.")
    max_pixels: int = Field(
        default=51_000_000,
        description='Photos of more pixels are refused; phones that say "50 megapixels" make 8,192 × 6,144.',
    )
    max_result_px: int = Field(default=4096, description="Longest side of a result.")
    body_timeout_s: float = Field(default=120.0, description="A request's body must have arrived within this time.")
    upload_seconds: int = Field(default=900, description="How long a signed upload may take to be completed.")

    # Limits; what is over them is answered 429 with Retry-After.
    user_unfinished_jobs: int = Field(
        default=100, ge=1, description="Unfinished jobs of one user; more are answered 429 with Retry-After."
    )
    unfinished_jobs: int = Field(default=10_000, ge=1, description="Of all users together.")
    user_streams: int = Field(default=100, ge=1, description="Open progress streams of one user.")
    events_kept_s: int = Field(default=86_400, ge=60, description="Redis keeps the events of a job for so long.")
    streams: int = Field(default=20_000, ge=1, description="Open progress streams of one API process.")
    user_bytes_a_day: int = Field(default=2 * 1024**3, description="Uploads of one user in a day (UTC).")
    bytes_a_day: int = Field(default=1024**4, description="Uploads of all users in a day (UTC).")

    poll_s: float = Field(
        default=0.02,
        gt=0,
        le=5,
        description="How often a worker with a free hand looks for work; with a hundred workers 0.5 is soon enough.",
    )
    worker_jobs: int = Field(default=2, ge=1, description="Photos one worker process has in hand at once.")
    pixels_in_hand: int = Field(default=60_000_000, description="Pixels of full-size photos in a worker at once.")
    decoder_bytes: int = Field(default=2 * 1024**3, description="Address space of a process that decodes a photo.")
    job_timeout_s: float = Field(default=300.0, description="One attempt may take so long.")
    lease_s: float = Field(default=8.0, description="A worker that is silent for so long loses its job to another.")
    max_failures: int = Field(default=2, ge=1, description="Attempts that may end in an error.")
    max_attempts: int = Field(default=10, ge=1, description="Attempts in all, those lost with their worker included.")
    retry_delay_s: float = Field(default=2.0, description="Pause before an attempt after an error.")
    sweep_every_s: float = Field(default=2.0, description="How often lost work is looked for.")
    guard_every_s: float = Field(default=10.0, description="How often a version on trial is judged.")
    waiting_s: float = Field(default=5.0, description="A pending job untouched for so long is looked for in the queue.")
    drain_s: float = Field(default=20.0, description="After SIGTERM a worker finishes what it can in this time.")

    failed_jobs_days: float = Field(default=7.0, description="Failed and cancelled jobs are deleted after this.")
    retention_days: float | None = Field(default=None, description="Photos and results are deleted after this.")
    trail_days: float = Field(default=365.0, description="How long it is kept who opened what.")
    orphan_minutes: float = Field(default=60.0, description="Objects without an owner are deleted after this.")
    cleanup_every_s: float = Field(default=3600.0, description="How often what has outlived its time is deleted.")

    # Telling apps that are not looking
    deliver_every_s: float = Field(default=1.0, description="How often notices that are due are looked for.")
    deliveries_at_once: int = Field(default=32, ge=1, description="Notices one worker process sends at once.")
    webhook_timeout_s: float = Field(default=15.0, description="A webhook must answer within this.")
    webhook_private_addresses: bool = Field(
        default=False, description="Whether webhooks may be plain http and in private networks. Not on the internet."
    )
    fcm_credentials: str | None = Field(
        default=None, description="File of a Google service account; without it no push."
    )
    fcm_url: str = Field(default="https://fcm.googleapis.com", description="Firebase Cloud Messaging.")

    stream_seconds: float = Field(
        default=600.0, description="A progress stream is closed after this; the client connects again."
    )
    heartbeat_s: float = Field(default=15.0, description="Something is sent on every stream at least so often.")
    metrics_host: str = Field(default="0.0.0.0", description="Where a worker answers Prometheus.")  # noqa: S104
    metrics_port: int | None = Field(default=None, description="On which port; without one it does not.")
    otlp_endpoint: str | None = Field(
        default=None, description="Where traces go: an OpenTelemetry collector, http://host:4318; without one nowhere."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
