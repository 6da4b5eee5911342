"""The page's own words: each has its translation, and the catalogues hold nothing else."""

import json
import re

import pytest

from orchestrator.api.page import FOLDER
from orchestrator.words.catalogue import languages

IN_SCRIPTS = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")
IN_PAGE = re.compile(r'data-t[^>]*>([^<]+)<|(?:aria-label|alt)="([^"]+)"')
NAMES = re.compile(r"\{\w+\}")


def _words() -> set[str]:
    scripts = "".join(path.read_text() for path in FOLDER.glob("*.js"))
    page = (FOLDER / "index.html").read_text()
    return set(IN_SCRIPTS.findall(scripts)) | {text or label for text, label in IN_PAGE.findall(page)}


def test_the_page_speaks_the_languages_of_the_service() -> None:
    assert {path.stem for path in (FOLDER / "words").glob("*.json")} == languages() - {"en"}


@pytest.mark.parametrize("language", sorted(languages() - {"en"}))
def test_every_sentence_is_translated_and_none_is_left_over(language: str) -> None:
    catalogue: dict[str, str] = json.loads((FOLDER / "words" / f"{language}.json").read_text())
    assert set(catalogue) == _words()
    for english, words in catalogue.items():
        assert set(NAMES.findall(english)) == set(NAMES.findall(words)), english


def test_every_refusal_has_a_picture_of_what_to_do() -> None:
    page = (FOLDER / "index.html").read_text()
    for code in ("no_iris", "iris_too_small", "too_dark", "too_blurred", "lid_too_low", "reflection_covers_iris"):
        assert f'id="h-{code}"' in page
