/** A request that the server refused or never answered. `message` is a sentence you can show to users. */
export class IrisvueError extends Error {
    status;
    code;
    retryAfter;
    name = "IrisvueError";
    constructor(message, 
    /** The HTTP status; 0 if there was no answer. */
    status, 
    /** The API's error code, such as `too_large`; `network` if there was no answer. */
    code, 
    /** How many seconds the server asks you to wait. */
    retryAfter = null) {
        super(message);
        this.status = status;
        this.code = code;
        this.retryAfter = retryAfter;
    }
    /** Whether the same request may succeed if sent again later. */
    get retryable() {
        return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
    }
}
/** The error for an answer whose status is not 2xx. */
export function errorOf(status, body, retryAfter) {
    let detail = `The server answered ${status}.`;
    let code = "unexpected";
    try {
        const problem = JSON.parse(body);
        if (typeof problem.detail === "string")
            detail = problem.detail;
        if (typeof problem.code === "string")
            code = problem.code;
    }
    catch {
        // not JSON: a proxy's error page, for example
    }
    const wait = Number(retryAfter);
    return new IrisvueError(detail, status, code, retryAfter !== null && Number.isFinite(wait) ? wait : null);
}
/** The error for a request without an answer. */
export function noAnswer() {
    return new IrisvueError("The server can't be reached. Check your connection.", 0, "network");
}
/** The error for a request that the caller has aborted. */
export function cancelled() {
    return new IrisvueError("The upload was cancelled.", 499, "cancelled");
}
