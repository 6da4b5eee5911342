"""Every sentence for people has a code or a place in every catalogue, and follows Accept-Language."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from irisvue import _codes
from orchestrator import errors
from orchestrator.api.errors import UNAVAILABLE_DETAIL
from orchestrator.api.feeds import GOES_ON
from orchestrator.config import ROOT
from orchestrator.errors import PUBLIC_WORDS, IrisvueError
from orchestrator.notifications.push_content import COMPLETED
from orchestrator.photos import ACCOUNT_DELETED
from orchestrator.words import codes
from orchestrator.words.catalogue import languages, preferred, sentences, translated
from tests.unit.test_errors import all_errors

TRANSLATED = sorted(languages() - {"en"})
# What answers and jobs say. Commands, publishing and routes speak to operators, in English.
FOR_PEOPLE = ("api", "auth", "jobs", "pipeline", "notifications")
FILES = ("limits.py", "idempotency.py", "photos.py", "sharing.py", "privacy/account.py")
FOR_OPERATORS = errors.ListingDenied, errors.Refused, errors.SetupError
OURS = errors.TransientError, errors.ProcessingFailed  # shown in PUBLIC_WORDS
SHOWN = [kind for kind in all_errors() if kind.__module__ == errors.__name__ and not issubclass(kind, FOR_OPERATORS)]


def sources() -> Iterator[Path]:
    for folder in FOR_PEOPLE:
        yield from (ROOT / "orchestrator" / folder).rglob("*.py")
    yield from (ROOT / "orchestrator" / name for name in FILES)


def template(node: ast.expr) -> str | None:
    """A literal sentence, or an f-string with {} for what it is filled with."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def raised() -> Iterator[str]:
    """The sentence of every `raise` of an error of the tree."""
    kinds = {kind.__name__ for kind in SHOWN if not issubclass(kind, OURS)}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
                continue
            name = node.exc.func
            first = node.exc.args[0]
            options = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            if isinstance(name, ast.Name) and name.id in kinds:
                yield from filter(None, map(template, options))


def of_the_tree() -> Iterator[str]:
    for kind in SHOWN:
        yield kind.suggestion
        if not issubclass(kind, OURS):
            yield kind().detail


SENTENCES = {
    *codes.STEPS,
    *codes.WARNINGS.values(),
    *PUBLIC_WORDS.values(),
    *of_the_tree(),
    *raised(),
    ACCOUNT_DELETED,
    COMPLETED,
    GOES_ON,
    UNAVAILABLE_DETAIL,
}


def test_sentences_are_found() -> None:
    assert len(SENTENCES) > 80 and "The file is larger than {} MB." in SENTENCES


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_translated(language: str) -> None:
    assert SENTENCES - set(sentences(language)) == set()
    for sentence, translation in sentences(language).items():
        fields = [name for _, name, _, _ in string.Formatter().parse(translation) if name is not None]
        assert len(fields) == sentence.count("{}") and translation != sentence


def test_german_and_french_ship() -> None:
    assert {"de", "en", "fr"} <= languages()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH, en;q=0.9", "de"),
        ("en, de", "en"),
        ("xx, fr;q=0.2", "fr"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("FR_fr", "en"),
        ("*", "en"),
        ("tlh, ../../etc/passwd, de;q=x", "en"),
        ("de," * 100_000, "de"),
    ],
)
def test_the_header_chooses_the_language(header: str | None, language: str) -> None:
    assert preferred(header) == language


def test_sentences_are_filled_in() -> None:
    assert translated("The file is larger than 40 MB.", "de") == "Die Datei ist größer als 40 MB."
    limit = "The photo is 9000 × 2 pixels; the limit is 51 megapixels and 12000 pixels a side."
    assert translated(limit, "fr").endswith("la limite est 51 mégapixels et 12000 pixels par côté.")
    assert translated("Nobody has ever said this.", "de") == "Nobody has ever said this."
    assert translated("Almost done...", "en") == "Almost done..."


def test_codes_are_read_off_the_sentences() -> None:
    assert set(codes.STEPS.values()) == set(get_args(codes.StepKey))
    assert set(codes.WARNINGS) == set(get_args(codes.WarningCode))
    everything = [words.format(1024) for words in codes.WARNINGS.values()]
    assert codes.warning_codes_of(everything) == list(codes.WARNINGS)
    assert codes.warning_codes_of(None) is None and codes.warning_codes_of(["Of a newer version."]) == []


def test_every_error_that_can_end_a_job_is_listed() -> None:
    ends = [
        kind
        for kind in all_errors()
        if issubclass(kind, errors.QualityIssue | errors.TransientError | errors.ProcessingFailed)
        or kind in (errors.NotAnImage, errors.TooLarge, errors.Unreadable, errors.NotFound, IrisvueError)
    ]
    assert set(get_args(codes.ErrorCode)) == {kind.code for kind in ends}


def test_one_suggestion_for_each_reason() -> None:
    own = [kind for kind in all_errors(errors.QualityIssue) if kind is not errors.QualityIssue]
    assert len({kind.suggestion for kind in own}) == len(own)
    for language in TRANSLATED:
        assert len({translated(kind.suggestion, language) for kind in own}) == len(own)


@pytest.mark.parametrize("name", ["StepKey", "ErrorCode", "WarningCode"])
def test_the_python_client_knows_the_codes(name: str) -> None:
    assert get_args(getattr(_codes, name)) == get_args(getattr(codes, name))
