"""Wrong and missing settings are named, with the value that was read and an example; secrets are not repeated."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrator.config import settings
from orchestrator.config_check import read_settings, unknown_names
from orchestrator.errors import SetupError

SECRET = "s" * 40
GOOD = {"JWT_SECRET": SECRET, "LINK_SECRET": SECRET}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("IRISVUE_")]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def set_settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in (GOOD | values).items():
        monkeypatch.setenv(f"IRISVUE_{name}", value)


def test_valid_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_settings(monkeypatch, WORKER_JOBS="3", TRITON_URL="dns:///triton:8001", STORAGE_URL="s3://bucket/prefix")
    assert read_settings().worker_jobs == 3 and unknown_names() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WORKER_JOBS", "many", "IRISVUE_WORKER_JOBS is 'many': Input should be a valid integer"),
        ("WORKER_JOBS", "0", "Example: IRISVUE_WORKER_JOBS=2"),
        ("INFERENCE", "gpu", "IRISVUE_INFERENCE is 'gpu': Input should be 'triton' or 'local'"),
        ("DATABASE_URL", "mysql://me:pass@db/irisvue", "Example: IRISVUE_DATABASE_URL=postgresql+asyncpg://"),
        ("REDIS_URL", "redis", "IRISVUE_REDIS_URL is 'redis': it does not begin with a scheme and ://"),
        ("STORAGE_URL", "bucket", "Example: IRISVUE_STORAGE_URL=s3://bucket/prefix"),
        ("PUBLIC_URL", "iris.example.com", "Example: IRISVUE_PUBLIC_URL=https://iris.example.com"),
        ("TRITON_URL", "http://triton", "Example: IRISVUE_TRITON_URL=triton-1:8001"),
        ("LOG_LEVEL", "loud", "IRISVUE_LOG_LEVEL is 'loud'"),
        ("WORKER_CLASSES", "urgent", "IRISVUE_WORKER_CLASSES is 'urgent'"),
        ("WORKER_CLASSES", "", "Example: IRISVUE_WORKER_CLASSES=interactive,background"),
        ("JWT_SECRET", "short", "IRISVUE_JWT_SECRET is a text of 5 characters: at least 32 are needed"),
        ("LINK_SECRET", "", "Set IRISVUE_LINK_SECRET="),
        ("VAPID_KEY", "short", "IRISVUE_VAPID_KEY is a text of 5 characters: it is no secret key of P-256"),
        ("VAPID_CONTACT", "me", "Example: IRISVUE_VAPID_CONTACT=mailto:ops@example.com"),
        ("FCM_CREDENTIALS", "/nowhere.json", "IRISVUE_FCM_CREDENTIALS is '/nowhere.json': there is no such file"),
    ],
)
def test_each_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    set_settings(monkeypatch, **{name: value})
    with pytest.raises(SetupError) as wrong:
        read_settings()
    assert expected in wrong.value.detail and len(wrong.value.detail.splitlines()) == 1


def test_all_wrong_settings_are_named_at_once_and_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRISVUE_DATABASE_URL", "mysql://me:very-secret@db/irisvue")
    monkeypatch.setenv("IRISVUE_JWT_SECRET", "too-short-secret")
    monkeypatch.setenv("IRISVUE_LOG_LEVEL", "loud")
    with pytest.raises(SetupError) as wrong:
        read_settings()
    detail = wrong.value.detail
    assert len(detail.splitlines()) == 4 and "://me:***@db" in detail
    assert "very-secret" not in detail and "too-short-secret" not in detail


def test_without_a_secret_or_keys_no_one_could_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRISVUE_LINK_SECRET", SECRET)
    with pytest.raises(SetupError, match=r"Set IRISVUE_JWKS_URL=.* or IRISVUE_JWT_SECRET="):
        read_settings()


def test_unknown_names_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_settings(monkeypatch, WORKER_JOB="3", TOKEN="the client's own", SOMETHING_ELSE="x")
    assert unknown_names() == [
        "IRISVUE_SOMETHING_ELSE is not a setting.",
        "IRISVUE_WORKER_JOB is not a setting; did you mean IRISVUE_WORKER_JOBS?",
    ]


@pytest.mark.parametrize("command", ["api", "worker", "migrate"])
def test_a_process_does_not_start_with_wrong_settings(command: str) -> None:
    env = {"PATH": os.environ["PATH"], "IRISVUE_WORKER_JOBS": "many", "IRISVUE_NONSENSE": "1", "COLUMNS": "200"}
    argv = [sys.executable, "-m", "orchestrator.cli", command]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "IRISVUE_NONSENSE is not a setting" in done.stderr
    assert "IRISVUE_WORKER_JOBS is 'many'" in done.stderr
