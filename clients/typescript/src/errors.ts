/** A request that the server refused or never answered. `message` is a sentence you can show to users. */
export class IrisvueError extends Error {
  override name = "IrisvueError";

  constructor(
    message: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** The API's error code, such as `too_large`; `network` if there was no answer. */
    readonly code: string,
    /** How many seconds the server asks you to wait. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed if sent again later. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** The error for an answer whose status is not 2xx. */
export function errorOf(status: number, body: string, retryAfter: string | null): IrisvueError {
  let detail = `The server answered ${status}.`;
  let code = "unexpected";
  try {
    const problem = JSON.parse(body) as { detail?: unknown; code?: unknown };
    if (typeof problem.detail === "string") detail = problem.detail;
    if (typeof problem.code === "string") code = problem.code;
  } catch {
    // not JSON: a proxy's error page, for example
  }
  const wait = Number(retryAfter);
  return new IrisvueError(detail, status, code, retryAfter !== null && Number.isFinite(wait) ? wait : null);
}

/** The error for a request without an answer. */
export function noAnswer(): IrisvueError {
  return new IrisvueError("The server can't be reached. Check your connection.", 0, "network");
}

/** The error for a request that the caller has aborted. */
export function cancelled(): IrisvueError {
  return new IrisvueError("The upload was cancelled.", 499, "cancelled");
}
