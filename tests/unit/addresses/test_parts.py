"""An address has one reading, or is refused; and nothing of a secret is ever shown."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.addresses.parts import Address, AddressError, redacted, split

SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", Address("redis", "", "", "h", "", "")),
        ("redis://:p%40ss@h:1/0", Address("redis", "", "p@ss", "h:1", "/0", "")),
        ("redis://u:p@ss@h:1/0/", Address("redis", "u", "p@ss", "h:1", "/0/", "")),
        ("redis://:pa/ss#w?rd:1@h", Address("redis", "", "pa/ss#w?rd:1", "h", "", "")),
        ("redis://:1234/5@h:1/0", Address("redis", "", "1234/5", "h:1", "/0", "")),
        ("unix:///run/redis.sock?db=1", Address("unix", "", "", "", "/run/redis.sock", "db=1")),
        ("a+b://u:p@[::1]:5,h-2:6/db?x=a%40b&y=", Address("a+b", "u", "p", "[::1]:5,h-2:6", "/db", "x=a%40b&y=")),
        (" redis://h/0\n", Address("redis", "", "", "h", "/0", "")),
    ],
)
def test_addresses_that_can_be_read(text: str, expected: Address) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "://hunter2",
        "redis://:hunter2@h:port/0",
        "redis://:hunter2@h:99999/0",
        "redis://h:hunter2",
        "redis://:hun ter2@h",
        "redis://:hun\nter2@h",
        "redis://h:1/0?password=hunter2@h",  # which @ ends the password?
        "redis://u:12?hunter2=d@h/0",
        "redis://hun/ter2@h",  # a user name never has a /
        "redis://:hunter2@h/0?hunter2",
        "host=db password=hunter2",
    ],
)
def test_what_can_not_be_read_is_refused_without_a_part_of_it(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        split(text)
    assert "hunter2" not in refused.value.detail and "ter2" not in refused.value.detail
    assert redacted(text) == f"a text of {len(text)} characters"


@given(SECRET, st.sampled_from(["redis", "postgresql+asyncpg", "https", "s3"]))
def test_a_password_is_never_shown_and_read_as_it_was_written(password: str, scheme: str) -> None:
    assume("%" not in password)
    text = f"{scheme}://user:{password}@host:1/db"
    assert redacted(text) in (
        redacted(f"{scheme}://user:{'x' * len(password)}@host:1/db"),
        f"a text of {len(text)} characters",
    )
    try:
        assert split(text).password == password
    except AddressError as refused:
        assert len(password) < 4 or password not in refused.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://me:secret@db/irisvue?sslpassword=secret", "postgres://me:***@db/irisvue?***"),
        ("redis://secret@h/0", "redis://***@h/0"),
        ("https://hooks.example.com/secret", "https://hooks.example.com/***"),
        ("http://triton", "http://triton"),
    ],
)
def test_what_is_shown_of_an_address(text: str, expected: str) -> None:
    assert redacted(text) == expected
