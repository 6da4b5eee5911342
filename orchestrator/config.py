"""Every setting, and the only place that reads the settings (IRISVUE_*) from the environment."""

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
LOCAL_ORIGIN = r"https?://(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
InferenceBackend = Literal["triton", "local"]


class Settings(BaseSettings):
    """What a process of Irisvue needs to know. `irisvue up` sets all that one machine needs."""

    model_config = SettingsConfigDict(env_prefix="IRISVUE_", env_file=None, extra="ignore", hide_input_in_errors=True)

    # Database, queue and object store
    database_url: str = Field(
        default="postgresql+asyncpg://postgres@localhost/irisvue",
        repr=False,
        description="Address of PostgreSQL or its pooler, with libpq's options: "
        "postgresql+asyncpg://user:password@host/irisvue?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem",
    )
    redis_url: str = Field(
        default="redis://localhost:6379/0",
        repr=False,
        description="Address of Redis, which holds the queue and progress streams: redis://, rediss:// (TLS), unix:// "
        "or redis+sentinel://sentinel:26379,sentinel:26379/mymaster/0",
    )
    redis_password: SecretStr = Field(
        default=SecretStr(""), description="Password of Redis as it is, instead of an encoded one in the address."
    )
    storage_url: str = Field(
        default="file:///var/lib/irisvue/objects", description="Object store: file:///folder or s3://bucket/prefix"
    )
    s3_endpoint: str | None = Field(default=None, description="Address of an S3 server that is not Amazon's.")
    s3_public_endpoint: str | None = Field(
        default=None,
        description="Address at which clients reach the S3 server, if not s3_endpoint; links are signed for it.",
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(
        default=None, description="Access key for the bucket; without one, the machine's own role is used."
    )
    s3_secret_access_key: SecretStr | None = Field(default=None, description="Secret of the access key.")
    s3_encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        default="", description="How the bucket encrypts new objects; empty uses the bucket's own setting."
    )
    s3_kms_key_id: str | None = Field(
        default=None, description="Key for aws:kms; without one, the account's default key."
    )

    # The API and its clients
    public_url: str = Field(default="http://127.0.0.1:8000", description="Address at which clients reach the API.")
    cors_origins: str = Field(
        default="",
        description="Other web pages that may call the API, separated by commas: https://app.example.com",
    )
    keep_alive_s: int = Field(
        default=75,
        ge=1,
        description="How long an idle connection stays open; longer than the proxy in front keeps its own, or it "
        "answers 502 now and then (60 s is usual, 600 s on Google Cloud).",
    )
    cors_local: bool = Field(
        default=False,
        description="Whether pages of this machine (http://localhost:5173) may call the API too; `irisvue up` says so "
        "while it listens on the loopback address.",
    )
    region: str = Field(
        default="",
        description="Region of this installation; a token whose claim `region` names another one is sent there.",
    )
    regions: dict[str, str] = Field(
        default={}, description='Addresses of the other regions, as JSON: {"eu": "https://eu.iris.example.com"}'
    )
    jwt_secret: SecretStr | None = Field(default=None, description="Secret for tokens signed with HS256.")
    jwks_url: str | None = Field(
        default=None,
        description="Address of the public keys for tokens signed with RS256 or ES256; jwt_secret is then not used.",
    )
    jwt_audience: str | None = Field(default=None, description="Audience that a token must name, if set.")
    jwt_issuer: str | None = Field(default=None, description="Issuer that a token must name, if set.")
    tenant_claim: str = Field(default="tenant", description="Claim of a token that names the user's tenant, for usage.")
    token_leeway_s: float = Field(
        default=10.0,
        ge=0,
        description="How far the clocks of this service and of the one that signs tokens may be apart.",
    )
    link_secret: SecretStr = Field(
        default=SecretStr(""), description="Secret that signs links to objects when storage_url is a folder."
    )
    deep_link: str | None = Field(
        default=None,
        description="Address of a result in an app, carried by notifications and answers: myapp://iris/{job_id}",
    )
    link_seconds: int = Field(default=900, description="How long signed links to photos and results are valid.")

    # Models
    inference: InferenceBackend = Field(
        default="triton", description="triton: a Triton server. local: ONNX Runtime in the worker."
    )
    triton_url: str = Field(
        default="localhost:8001",
        description="host:port; several separated by commas; or dns:///name:port for every address of that name.",
    )
    triton_control_key: SecretStr | None = Field(
        default=None, description="Key that Triton requires to load or unload a model; only publishing needs it."
    )
    triton_try_s: float = Field(
        default=5.0,
        gt=0,
        description="With several Triton servers, a call unanswered for this long is tried on another one.",
    )
    model_repository: str = Field(
        default=str(ROOT / "model_repository"),
        description="The model repository that Triton serves: a folder or s3://bucket/prefix.",
    )
    shipped_models: str = Field(
        default=str(ROOT / "model_repository"),
        description="Folder with the models of this release, which `irisvue models sync` brings to the repository.",
    )
    model_timeout_s: float = Field(
        default=30.0, description="Time limit of one model call, including queueing and retries."
    )
    model_wait_s: float = Field(default=60.0, description="How long a job waits while the models are unavailable.")
    tiles_in_flight: int = Field(
        default=4, ge=1, description="How many tiles of one photo are sent to the enhancer at once."
    )

    # Privacy
    consent_version: str = Field(
        default="",
        description="Version of the terms on biometric data: without a user's consent to exactly this one, photos and "
        "jobs are refused with 403. Empty: no consent is asked for.",
    )

    # Uploads and results
    max_upload_bytes: int = Field(default=40 * 1024 * 1024, description="Larger photos are refused with 413.")
    max_pixels: int = Field(
        default=51_000_000,
        description="Photos with more pixels are refused; a phone's 50 megapixels are up to 8,192 × 6,144.",
    )
    max_result_px: int = Field(default=4096, description="Longest side of a result.")
    body_timeout_s: float = Field(default=120.0, description="Time within which a request's body must arrive.")
    upload_seconds: int = Field(default=900, description="Time within which a signed upload must be completed.")

    # Limits: requests above them are answered 429 with Retry-After
    user_unfinished_jobs: int = Field(
        default=100, ge=1, description="Unfinished jobs of one user; more are answered 429 with Retry-After."
    )
    unfinished_jobs: int = Field(default=10_000, ge=1, description="Unfinished jobs of all users together.")
    user_streams: int = Field(default=100, ge=1, description="Open progress streams of one user.")
    events_kept_s: int = Field(default=86_400, ge=60, description="How long Redis keeps the events of a job.")
    streams: int = Field(default=20_000, ge=1, description="Open progress streams of one API process.")
    user_bytes_a_day: int = Field(default=2 * 1024**3, description="Bytes that one user may upload in a day (UTC).")
    bytes_a_day: int = Field(default=1024**4, description="Bytes that all users may upload in a day (UTC).")

    # Workers, attempts and leases
    poll_s: float = Field(
        default=0.02,
        gt=0,
        le=5,
        description="How often a worker with capacity looks for work; with a hundred workers, 0.5 is often enough.",
    )
    worker_classes: str = Field(
        default="interactive,background",
        description="Classes of jobs that a worker takes, separated by commas. Of every ten turns of workers that take "
        "both, one is the background's while both wait; without any that takes it, it waits for ever.",
    )
    worker_jobs: int = Field(default=2, ge=1, description="Photos that one worker process works on at once.")
    pixels_in_hand: int = Field(
        default=60_000_000, description="Pixels of full-size photos that a worker holds in memory at once."
    )
    decoder_bytes: int = Field(
        default=2 * 1024**3, description="Address space limit of the process that decodes a photo."
    )
    job_timeout_s: float = Field(default=300.0, description="Time limit of one attempt.")
    lease_s: float = Field(
        default=8.0, description="A worker that does not renew its lease for this long loses the job to another one."
    )
    max_failures: int = Field(default=2, ge=1, description="Attempts that may end in an error before the job fails.")
    max_outages: int = Field(
        default=8,
        ge=1,
        description="The same where the models, the object store or the database were away: a quarter of an hour.",
    )
    max_attempts: int = Field(
        default=10, ge=1, description="Attempts of a job in total, including those lost with their worker."
    )
    retry_delay_s: float = Field(
        default=2.0,
        gt=0,
        description="Longest pause before the first retry; each further one may be 4 times as long, up to 600 s.",
    )
    sweep_every_s: float = Field(default=2.0, description="How often the sweeper looks for lost jobs.")
    line_every_s: float = Field(
        default=1.0, description="How often those who wait are told their place in line and the time left."
    )
    guard_every_s: float = Field(default=10.0, description="How often the guard judges a newly routed version.")
    waiting_s: float = Field(
        default=5.0,
        description="A job pending for this long is looked up in the queue, and enqueued again if it is missing.",
    )
    drain_s: float = Field(default=20.0, description="After SIGTERM, a worker has this long to finish its jobs.")

    # Retention
    failed_jobs_days: float = Field(default=7.0, description="Failed and cancelled jobs are deleted after this time.")
    retention_days: float | None = Field(
        default=None, description="Photos and results are deleted after this time; unset keeps them."
    )
    exports_days: float = Field(default=1.0, description="How long an export of a user's data is kept.")
    exports_every_s: float = Field(default=2.0, description="How often a worker looks for exports to make.")
    trail_days: float = Field(default=365.0, description="How long the audit log keeps its entries.")
    orphan_minutes: float = Field(default=60.0, description="Objects without an owner are deleted after this time.")
    cleanup_every_s: float = Field(default=3600.0, description="How often expired data is deleted.")

    # Notifications to apps in the background
    deliver_every_s: float = Field(default=1.0, description="How often the dispatcher looks for due notifications.")
    deliveries_at_once: int = Field(
        default=32, ge=1, description="Notifications that one worker process delivers at once."
    )
    webhook_timeout_s: float = Field(default=15.0, description="Time within which a webhook must answer.")
    webhook_private_addresses: bool = Field(
        default=False,
        description="Whether webhooks may use plain http and private networks; not for a service on the internet.",
    )
    fcm_credentials: str | None = Field(
        default=None, description="File of a Google service account; without it, no push notifications are sent."
    )
    vapid_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret key (VAPID) that signs pushes to browsers, the output of openssl rand -hex 32; without it, "
        "none are sent. After a change, browsers subscribe anew at their next visit.",
    )
    vapid_contact: str = Field(
        default="",
        description="Whom the browsers' push services may ask, mailto:ops@example.com or an https:// address; by "
        "default public_url.",
    )
    fcm_url: str = Field(default="https://fcm.googleapis.com", description="Address of Firebase Cloud Messaging.")

    # Progress streams
    stream_seconds: float = Field(
        default=600.0, description="A progress stream is closed after this time; the client connects again."
    )
    heartbeat_s: float = Field(default=15.0, description="A progress stream is never silent for longer than this.")

    # Observability
    metrics_host: str = Field(default="0.0.0.0", description="Address on which a worker serves metrics.")  # noqa: S104
    metrics_port: int | None = Field(
        default=None, description="Port on which a worker serves metrics; without one, it serves none."
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector that receives traces, http://host:4318; without one, none are sent.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @property
    def allowed_origins(self) -> list[str]:
        """`cors_origins`, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def allowed_origin_pattern(self) -> str | None:
        """Origins that are allowed beside those, as a pattern for all of an origin."""
        return LOCAL_ORIGIN if self.cors_local else None

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of this origin may call the API."""
        pattern = self.allowed_origin_pattern
        return origin in self.allowed_origins or (pattern is not None and re.fullmatch(pattern, origin) is not None)


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
