/** A request that the server refused or never answered. `message` is a sentence you can show to users. */
export class IrisvueError extends Error {
  override name = "IrisvueError";

  constructor(
    message: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    /**
     * The API's error code, such as `too_large`. If there was no answer: `network`, `timeout`, or `cors` where the server
     * can be reached but does not let this page's origin read its answers. `address`: `baseUrl` is none, and nothing was sent.
     */
    readonly code: string,
    /** How many seconds the server asks you to wait. */
    readonly retryAfter: number | null = null,
    /** The name that the server's log has for the request. */
    readonly requestId: string | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed if sent again later. */
  get retryable(): boolean {
    if (this.status === 0) return this.code !== "cors" && this.code !== "address";
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** The error for an answer whose status is not 2xx. */
export function errorOf(status: number, body: string, headers?: { get(name: string): string | null }): IrisvueError {
  let detail = `The server answered ${status}.`;
  let code = "unexpected";
  try {
    const problem = JSON.parse(body) as { detail?: unknown; code?: unknown };
    if (typeof problem.detail === "string") detail = problem.detail;
    if (typeof problem.code === "string") code = problem.code;
  } catch {
    // not JSON: a proxy's error page, for example
  }
  const after = headers?.get("Retry-After") ?? null;
  const wait = Number(after);
  const pause = after !== null && Number.isFinite(wait) ? wait : null;
  return new IrisvueError(detail, status, code, pause, headers?.get("X-Request-ID") ?? null);
}

/** The error for a request without an answer. Who runs a program in Node can mend its address, so `url` is named there. */
export function noAnswer(url?: string): IrisvueError {
  const program = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node && typeof document === "undefined";
  if (!program || !url) return new IrisvueError("The server can't be reached. Check your connection.", 0, "network");
  return new IrisvueError(`${new URL(url).origin} can't be reached. Is the server running, and is this its address?`, 0, "network");
}

/** The error for a request without an answer: whether the server is away, or only closed to this page. */
export async function unreachable(baseUrl: string): Promise<IrisvueError> {
  const here = globalThis.location?.origin;
  if (typeof document === "undefined" || !here || here === "null" || baseUrl === here) return noAnswer(baseUrl);
  // Browsers say nothing about refused origins. But a request whose answer nobody reads is refused to none.
  const answers = async (mode: RequestMode): Promise<boolean> => {
    try {
      await fetch(`${baseUrl}/health/live`, { mode, cache: "no-store" });
      return true;
    } catch {
      return false;
    }
  };
  if ((await answers("cors")) || !(await answers("no-cors"))) return noAnswer();
  const words = `The server can be reached, but does not let pages of ${here} read its answers. Add it to IRISVUE_CORS_ORIGINS there.`;
  return new IrisvueError(words, 0, "cors");
}

/** The error for a request that took too long. */
export function timedOut(milliseconds: number): IrisvueError {
  return new IrisvueError(`The server did not answer within ${milliseconds / 1000} seconds.`, 0, "timeout");
}

/** The error for a call that the caller has aborted. */
export function cancelled(): IrisvueError {
  return new IrisvueError("Cancelled.", 499, "cancelled");
}
