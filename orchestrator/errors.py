"""One tree of errors. A class's docstring is its default message: a sentence for the person who reads it."""

from typing import ClassVar, Literal

ErrorType = Literal["quality_issue", "transient_error", "server_error"]

BETTER_PHOTO = "Try capturing a new photo in better lighting with your eye centered."
REPROCESS = 'Tap "Reprocess" to try again.'
REPROCESS_OR_OTHER = 'Tap "Reprocess" to try again, or try with a different photo.'


class IrisvueError(Exception):
    """Something went wrong. Please try again later."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    error_type: ClassVar[ErrorType] = "server_error"
    suggestion: ClassVar[str] = REPROCESS_OR_OTHER
    outage: ClassVar[bool] = False  # something that is needed is away: what it was needed for is tried for longer

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(self.detail)


# Errors of a request to the API.
class Unauthorized(IrisvueError):
    """A valid bearer token is needed."""

    code, status = "unauthorized", 401
    suggestion = "Sign in again."


class Forbidden(IrisvueError):
    """This token may not do that."""

    code, status = "forbidden", 403
    suggestion = "Ask for a token with the scope that the message names."


class ConsentRequired(IrisvueError):
    """Your consent to the processing of biometric data is needed first."""

    code, status = "consent_required", 403
    suggestion = "Read the terms, and agree to them."


class WrongRegion(IrisvueError):
    """Your data is kept in another region."""

    code, status = "wrong_region", 421
    suggestion = "Call the address that the message names."


class KeysUnavailable(IrisvueError):
    """Signing in is not possible at the moment. Please try again in a minute."""

    code, status = "unavailable", 503
    retryable = True


class NotFound(IrisvueError):
    """There is nothing here under this id."""

    code, status = "not_found", 404


class Invalid(IrisvueError):
    """The request is not valid."""

    code, status = "invalid_request", 422


class Conflict(IrisvueError):
    """This is not possible in the present state."""

    code, status = "conflict", 409


class TooMany(IrisvueError):
    """Too many requests. Please try again later."""

    code, status = "too_many", 429

    def __init__(self, detail: str | None = None, retry_after_s: int = 30) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooSlow(IrisvueError):
    """The request's body took too long to arrive. Please try again on a better connection."""

    code, status = "too_slow", 408


class TooLarge(IrisvueError):
    """The photo is too large."""

    code, status = "too_large", 413
    error_type, suggestion = "quality_issue", "Send a smaller photo."


class NotAnImage(IrisvueError):
    """This is not an image we can read. Send a JPEG, PNG, WebP, HEIC or AVIF file."""

    code, status = "not_an_image", 415
    error_type, suggestion = "quality_issue", "Send a JPEG, PNG, WebP, HEIC or AVIF photo."


class Unreadable(IrisvueError):
    """The image is damaged or empty. Send the original file."""

    code, status = "unreadable", 422
    error_type, suggestion = "quality_issue", "Send the original photo once more."


# Errors that end a job. Quality issues keep their own sentence and are never retried: the photo has to change.
class QualityIssue(IrisvueError):
    """The photo is not good enough."""

    code, status = "quality_issue", 422
    error_type, suggestion = "quality_issue", BETTER_PHOTO


class NoIrisFound(QualityIssue):
    """Iris not detected in image"""  # noqa: D400, D415  the contract has no full stop here

    code = "no_iris"


class IrisTooSmall(QualityIssue):
    """The iris is too small in the photo. Move closer to the eye."""

    code = "iris_too_small"
    suggestion = "Move the camera closer, until the eye fills half of the frame."


class TooDark(QualityIssue):
    """The photo is too dark to see the iris."""

    code = "too_dark"
    suggestion = "Turn towards a window or a lamp, and take the photo again."


class TooBlurred(QualityIssue):
    """The eye is out of focus."""

    code = "too_blurred"
    suggestion = "Tap on the eye to focus, hold the camera still, and take the photo again."


class LidTooLow(QualityIssue):
    """The eyelid covers too much of the iris."""

    code = "lid_too_low"
    suggestion = "Open the eye wide, or lift the lid with a finger."


class ReflectionCovers(QualityIssue):
    """A reflection covers the iris."""

    code = "reflection_covers_iris"
    suggestion = "Turn until no window, lamp or screen shines on the eye."


class TransientError(IrisvueError):
    """Processing timed out. Please try again."""

    code, status = "transient_error", 503
    retryable = True
    error_type, suggestion = "transient_error", REPROCESS


class ModelUnavailable(TransientError):
    """The model server did not answer in time."""

    code, outage = "model_unavailable", True


class StoreUnavailable(TransientError):
    """The object store did not answer in time."""

    code, outage = "store_unavailable", True


class ListingDenied(StoreUnavailable):
    """The key of the bucket lacks the right to list it (s3:ListBucket)."""


class DatabaseUnavailable(TransientError):
    """The database did not answer in time."""

    code, outage = "database_unavailable", True


class StepTimeout(TransientError):
    """A step took longer than it may."""

    code = "step_timeout"


class ProcessingFailed(IrisvueError):
    """Something went wrong. Please try again later."""

    code = "processing_failed"
    retryable = True


class VersionGone(ProcessingFailed):
    """The version of a model that serves this job has been removed."""

    code = "version_gone"


class ModelsBusy(TransientError):
    """The model server's queue is full."""

    code, outage = "models_busy", True


class BadModelOutput(ProcessingFailed):
    """A model returned values that can't be right."""

    code = "bad_model_output"


class Fenced(Exception):
    """This worker no longer holds the job; nothing that it still does may be seen."""


class Refused(IrisvueError):
    """A model is not fit to be published."""

    code, status = "model_refused", 422


class SetupError(IrisvueError):
    """This machine lacks something that Irisvue needs."""

    code = "setup"


PUBLIC_WORDS: dict[ErrorType, str] = {
    "transient_error": "Processing timed out. Please try again.",
    "server_error": "Something went wrong. Please try again later.",
}


def classify(error: BaseException) -> IrisvueError:
    """Turn any exception that ended a job into an error of this tree; an unknown one is a failure on our side."""
    if isinstance(error, IrisvueError):
        return error
    if isinstance(error, TimeoutError):
        return StepTimeout()
    return ProcessingFailed(f"{type(error).__name__}: {error}")


def words_for_people(error: IrisvueError) -> str:
    """The sentence that the app shows: a quality issue's own, and a plain one for every failure on our side."""
    return PUBLIC_WORDS.get(error.error_type, error.detail)
