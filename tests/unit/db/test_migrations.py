"""What a database lacks is said by its revision."""

from orchestrator.db.migrations import behind, revisions


def test_a_database_that_newer_code_has_migrated_lacks_nothing() -> None:
    assert behind("9999") == "" and behind(revisions()[0]) == ""


def test_an_empty_database_lacks_every_migration() -> None:
    assert "at nothing" in behind(None)
