"""Takes an address with a user and a password apart, and shows one without its secrets.

No message repeats a part of an address that could not be read: any of it may belong to the password.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote

from orchestrator.errors import SetupError

HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]+)(?::[0-9]{1,5})?"
AFTER_USER = re.compile(
    rf"(?P<hosts>(?:{HOST}(?:,{HOST})*)?)(?P<path>/[^@?#]*)?(?P<query>\?(?:[A-Za-z_][\w.-]*=[^&#]*(?:&(?!$)|$))*)?"
)
MAX_PORT = 65_535
RESERVED = "@ : / ? # %"
SHOWN_PATHS = re.compile(r"(postgres|redis|unix|s3|file)")  # a path of http may be a key


class AddressError(SetupError):
    """An address can't be read."""


@dataclass(frozen=True)
class Address:
    """The parts of an address: user, password and options decoded; `hosts`, `path` and `query` as they are written."""

    scheme: str
    user: str
    password: str = field(repr=False)
    hosts: str
    path: str
    query: str = field(repr=False)

    @property
    def options(self) -> dict[str, list[str]]:
        """The options after the question mark."""
        return parse_qs(self.query, keep_blank_values=True)

    @property
    def login(self) -> str:
        """User and password as an address holds them, encoded, with the @; "" where there are none."""
        password = ":" + quote(self.password, safe="") if self.password else ""
        return f"{quote(self.user, safe='')}{password}@" if self.user or password else ""


def split(text: str) -> Address:
    """Take an address apart. A password may hold reserved characters as they are, where only one reading is possible.

    Raises:
        AddressError: it is no address, or can be read in two ways.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        raise AddressError("it does not begin with a scheme and ://")
    if re.search(r"\s|[\x00-\x1f\x7f]", rest):
        raise AddressError("it has a blank or a control character in it")
    readings = [(rest[:at], rest[at + 1 :]) for at, character in enumerate(rest) if character == "@"]
    possible = [(user, m) for user, after in [("", rest), *readings] if (m := AFTER_USER.fullmatch(after))]
    if len(possible) != 1:
        raise AddressError(
            f"its parts can't be told apart: in a user name or a password, write {RESERVED} as %40 %3A %2F %3F %23 %25"
            + ("" if possible else ", and the port as a number")
        )
    userinfo, parts = possible[0]
    if any(int(port) > MAX_PORT for port in re.findall(r":(\d+)(?=,|$)", parts["hosts"])):
        raise AddressError(f"its port must be a number up to {MAX_PORT}")
    user, _, password = userinfo.partition(":")
    if re.search("[/?#@]", user):
        raise AddressError(f"in a user name, {RESERVED} are written as %40 %3A %2F %3F %23 %25")
    query = (parts["query"] or "")[1:]
    return Address(scheme, unquote(user), unquote(password), parts["hosts"], parts["path"] or "", query)


def redacted(text: str) -> str:
    """An address for a message: without password and options, and only the length of one that can't be read."""
    try:
        address = split(text)
    except AddressError:
        return length(text)
    user = f"{quote(address.user)}:***@" if address.password else "***@" * bool(address.user)
    path = address.path if SHOWN_PATHS.match(address.scheme) else "/***" * (len(address.path) > 1)
    return f"{address.scheme}://{user}{address.hosts}{path}{'?***' * bool(address.query)}"


def length(text: str) -> str:
    """A text that is not shown."""
    return f"a text of {len(text)} characters"


def one(values: list[str], name: str) -> str:
    """The only value of an option. Raises AddressError where it is given twice."""
    if len(values) != 1:
        raise AddressError(f"its option {name} is given {len(values)} times")
    return values[0]


def unknown_option(name: str, known: Iterable[str]) -> AddressError:
    """The error for an option that there is not, with the one that was probably meant."""
    similar = difflib.get_close_matches(name, sorted(known), 1, 0.7)
    return AddressError(f"it has no option {name}" + (f"; did you mean {similar[0]}?" if similar else ""))
