"""Translations of the sentences for people: one JSON file a language, English sentence → translation.

`{}` stands for whatever a sentence is filled with. A sentence that a file lacks stays English. The language of a
request is that of its Accept-Language header, and English without one.
"""

import json
import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
ENGLISH = "en"
MAX_HEADER = 1000
current: ContextVar[str] = ContextVar("language", default=ENGLISH)
"""The language of the request that is being answered."""


@cache
def languages() -> frozenset[str]:
    """The languages that there are."""
    return frozenset({ENGLISH, *(path.stem for path in FOLDER.glob("*.json"))})


@cache
def sentences(language: str) -> dict[str, str]:
    """A language's file; nothing for English."""
    path = FOLDER / f"{language}.json"
    catalogue: dict[str, str] = json.loads(path.read_text()) if language in languages() and path.exists() else {}
    return catalogue


def preferred(header: str | None) -> str:
    """The best language for an Accept-Language header (RFC 9110); English where it names none that there is."""
    ranked = sorted(_ranges(header or ""), key=lambda entry: -entry[1])
    return next((language for language, weight in ranked if weight > 0 and language in languages()), ENGLISH)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header[:MAX_HEADER].split(","):
        match = re.fullmatch(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?", part)
        if match:
            yield match[1].lower(), float(match[2] or 1)


def translated(sentence: str, language: str | None = None) -> str:
    """The sentence in this language, or else in that of the request."""
    catalogue = sentences(language or current.get())
    if sentence in catalogue or not catalogue:
        return catalogue.get(sentence, sentence)
    for pattern, translation in _patterns(language or current.get()):
        if match := pattern.fullmatch(sentence):
            return translation.format(*(translated(part, language) for part in match.groups()))
    return sentence


def translated_or_none(sentence: str | None, language: str | None = None) -> str | None:
    """As `translated`; nothing stays nothing."""
    return None if sentence is None else translated(sentence, language)


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The sentences with something to fill in, those with the most words of their own first."""
    filled = sorted((key for key in sentences(language) if "{}" in key), key=len, reverse=True)
    parts = {key: "(.*?)".join(map(re.escape, key.split("{}"))) for key in filled}
    return [(re.compile(parts[key], re.DOTALL), sentences(language)[key]) for key in filled]
