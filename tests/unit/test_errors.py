"""The words that people read when a job fails."""

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


def test_the_sentences_of_the_contract() -> None:
    assert words_for_people(NoIrisFound()) == "Iris not detected in image"
    assert NoIrisFound.suggestion == "Try capturing a new photo in better lighting with your eye centered."
    assert words_for_people(ModelUnavailable()) == "Processing timed out. Please try again."
    assert ModelUnavailable.suggestion == 'Tap "Reprocess" to try again.'
    assert words_for_people(BadModelOutput("NaN at 3, 4")) == "Something went wrong. Please try again later."
    assert BadModelOutput.suggestion == 'Tap "Reprocess" to try again, or try with a different photo.'


def test_quality_issues_are_never_retried() -> None:
    assert not any(e.retryable for e in all_errors() if e.error_type == "quality_issue")


def test_no_code_stands_for_two_errors() -> None:
    """An error without a code of its own is one of its parent's kind for a caller."""
    codes = [e.code for e in all_errors() if "code" in vars(e)]
    assert len(codes) == len(set(codes))


def test_an_unknown_exception_is_a_server_error_and_keeps_its_cause_for_the_log() -> None:
    error = classify(ZeroDivisionError("division by zero"))
    assert (error.error_type, error.retryable) == ("server_error", True)
    assert "ZeroDivisionError" in error.detail
    assert isinstance(classify(TimeoutError()), StepTimeout)
