"""One concept, one word: names in the code are the glossary's, and none of those that it rules out."""

import ast
import re

import pytest

from orchestrator.config import ROOT

GLOSSARY = (ROOT / "docs/glossary.md").read_text()
# Words that stand for anything, and so say nothing.
ALL_PURPOSE = {"found", "there", "mine", "told", "tell", "said", "asked", "shown"}
# Words that others depend on: columns of tables, JSON of commands.
PUBLIC = {"orchestrator/db/tables/rollout.py: shown", "orchestrator/embedded/doctor.py: found"}
SOURCES = [path for folder in ("orchestrator", "export", "irisvue") for path in sorted((ROOT / folder).rglob("*.py"))]


def ruled_out() -> set[str]:
    """Every word that the glossary names in a sentence that is "Not" and words."""
    sentences = re.findall(r"Not ((?:\*[^*]+\*(?:, | or )?)+)(?=\.|,? *\|)", GLOSSARY)
    words = {word for sentence in sentences for word in re.findall(r"\*([^*]+)\*", sentence)}
    return {word.replace(" ", "_") for word in words}


def names_in(source: str) -> set[str]:
    """Every name that a source defines: modules' names, functions, classes, parameters, variables and attributes."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def parts(name: str) -> set[str]:
    """The words of a name: `mean_of_glints` and `MeanOfGlints` have mean, of and glints."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)} | {name.lower().strip("_")}


def test_the_glossary_rules_words_out() -> None:
    assert {"highlight", "glint", "shine", "judgement", "notice"} <= ruled_out()


@pytest.mark.parametrize("folder", ["orchestrator", "export", "irisvue"])
def test_no_name_uses_a_word_that_the_glossary_rules_out(folder: str) -> None:
    banned = ruled_out() | {f"{word}s" for word in ruled_out()}
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        if path.is_relative_to(ROOT / folder) and "versions" not in path.parts
        for name in names_in(path.read_text())
        if parts(name) & banned
    }
    assert not wrong


def test_no_name_is_a_word_that_says_nothing() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}" for path in SOURCES for name in names_in(path.read_text()) & ALL_PURPOSE
    }
    assert wrong == PUBLIC


def test_every_path_that_the_glossary_names_exists() -> None:
    named = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/)`", GLOSSARY)
    assert len(named) > 30
    missing = [path for path in named if not ((ROOT / "orchestrator" / path).exists() or (ROOT / path).exists())]
    assert not missing
