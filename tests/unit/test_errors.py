"""What people read when a job fails."""

from orchestrator.errors import (
    BadModelOutput,
    IrisvueError,
    ModelUnavailable,
    NoIrisFound,
    StepTimeout,
    classify,
    words_for_people,
)


def all_errors(kind: type[IrisvueError] = IrisvueError) -> list[type[IrisvueError]]:
    return [kind, *(e for child in kind.__subclasses__() for e in all_errors(child))]


def test_contract_words() -> None:
    assert words_for_people(NoIrisFound()) == "Iris not detected in image"
    assert NoIrisFound.suggestion == "Try capturing a new photo in better lighting with your eye centered."
    assert words_for_people(ModelUnavailable()) == "Processing timed out. Please try again."
    assert ModelUnavailable.suggestion == 'Tap "Reprocess" to try again.'
    assert words_for_people(BadModelOutput("NaN at 3, 4")) == "Something went wrong. Please try again later."
    assert BadModelOutput.suggestion == 'Tap "Reprocess" to try again, or try with a different photo.'


def test_quality_issues_are_never_retried() -> None:
    assert not any(e.retryable for e in all_errors() if e.error_type == "quality_issue")


def test_codes_differ() -> None:
    codes = [e.code for e in all_errors()]
    assert len(codes) == len(set(codes))


def test_unknown_exceptions_are_ours_and_keep_their_cause_for_the_log() -> None:
    found = classify(ZeroDivisionError("division by zero"))
    assert (found.error_type, found.retryable) == ("server_error", True)
    assert "ZeroDivisionError" in found.detail
    assert isinstance(classify(TimeoutError()), StepTimeout)
