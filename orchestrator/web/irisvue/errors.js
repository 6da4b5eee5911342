/** What the server, or the way to it, said no with. `message` is a sentence for people. */
export class IrisvueError extends Error {
    status;
    code;
    retryAfter;
    name = "IrisvueError";
    constructor(message, 
    /** The HTTP status; 0 when no answer came. */
    status, 
    /** The contract's code, such as `too_large`; `network` when no answer came. */
    code, 
    /** How long the server asks to wait, in seconds. */
    retryAfter = null) {
        super(message);
        this.status = status;
        this.code = code;
        this.retryAfter = retryAfter;
    }
    /** Whether the same request may succeed a little later. */
    get retryable() {
        return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
    }
}
/** The error in an answer that is none of 2xx. */
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
        // not JSON: a proxy's page, say
    }
    const wait = Number(retryAfter);
    return new IrisvueError(detail, status, code, retryAfter !== null && Number.isFinite(wait) ? wait : null);
}
/** The error for a request that got no answer. */
export function noAnswer() {
    return new IrisvueError("The server can't be reached. Check your connection.", 0, "network");
}
