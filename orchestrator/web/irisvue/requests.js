import { cancelled, errorOf, IrisvueError, noAnswer, timedOut, unreachable } from "./errors.js";
import { rest } from "./watch.js";
const TIMEOUT_MS = 60_000;
const RETRIES = 2;
const PAUSE_MS = 500;
/** Requests with the caller's token: repeated where that is safe, and ended in time. Throws IrisvueError. */
export class Requests {
    baseUrl;
    #options;
    constructor(options) {
        this.baseUrl = addressOf(options.baseUrl);
        this.#options = options;
    }
    /** An authorised request to any path of the API; sent once, and once more with a new token after a 401. */
    async request(path, init = {}) {
        let response = await this.#fetch(path, init);
        if (response.status === 401 && this.renewable)
            response = await this.#fetch(path, init);
        if (response.ok)
            return response;
        throw errorOf(response.status, await response.text(), response.headers);
    }
    /** Whether a 401 can be mended by asking for the token again. */
    get renewable() {
        return typeof this.#options.token === "function";
    }
    /** The headers that say who asks, and in which language. */
    async auth() {
        const { token, language } = this.#options;
        const bearer = String(typeof token === "function" ? await token() : token).trim();
        const strange = /[^ -~]/u.exec(bearer)?.[0];
        if (strange)
            throw new IrisvueError(`This is no token: it has ${JSON.stringify(strange)} in it. Copy it again, whole.`, 401, "unauthorized");
        return { Authorization: `Bearer ${bearer}`, ...(language ? { "Accept-Language": language } : {}) };
    }
    async get(path, options = {}) {
        return this.#repeated(this.#json(path, {}), options);
    }
    /** POST with an idempotency key, so that it may be repeated. */
    async post(path, body, options = {}) {
        const headers = { "Idempotency-Key": options.idempotencyKey ?? newKey() };
        if (body !== undefined)
            headers["Content-Type"] = "application/json";
        const init = { method: "POST", headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
        return this.#repeated(this.#json(path, init), options);
    }
    /** DELETE; what an earlier try has deleted without our hearing of it is not missed. */
    async delete(path, options = {}) {
        let tries = 0;
        const send = async (signal) => {
            tries += 1;
            return this.request(path, { method: "DELETE", signal });
        };
        try {
            await this.#repeated(send, options);
        }
        catch (error) {
            if (!(error instanceof IrisvueError && error.status === 404 && tries > 1))
                throw error;
        }
    }
    /** What lies at a signed address; it carries its own right, so the token is not sent. */
    async fetchSigned(url, options) {
        const get = async (signal) => {
            const response = await received(fetch(url, { signal }), url);
            if (!response.ok)
                throw errorOf(response.status, await response.text(), response.headers);
            return received(response.blob());
        };
        return this.#repeated(get, options);
    }
    #json(path, init) {
        return async (signal) => {
            const response = await this.request(path, { ...init, signal });
            return JSON.parse((await received(response.text())) || "null");
        };
    }
    async #repeated(send, options) {
        for (let left = options.retries ?? this.#options.retries ?? RETRIES;; left -= 1) {
            try {
                return await this.#inTime(send, options);
            }
            catch (error) {
                if (!(error instanceof IrisvueError) || !error.retryable || left <= 0)
                    throw error;
                await rest((error.retryAfter ?? 0) * 1000 || PAUSE_MS * (0.5 + Math.random()), options.signal);
                if (options.signal?.aborted)
                    throw cancelled();
            }
        }
    }
    async #inTime(send, options) {
        const timeout = options.timeout ?? this.#options.timeout ?? TIMEOUT_MS;
        const stop = new AbortController();
        const abort = () => stop.abort();
        const timer = setTimeout(abort, timeout);
        options.signal?.addEventListener("abort", abort);
        if (options.signal?.aborted)
            abort();
        try {
            return await send(stop.signal);
        }
        catch (error) {
            if (options.signal?.aborted)
                throw cancelled();
            throw stop.signal.aborted ? timedOut(timeout) : error;
        }
        finally {
            clearTimeout(timer);
            options.signal?.removeEventListener("abort", abort);
        }
    }
    async #fetch(path, init) {
        const headers = { ...init.headers, ...(await this.auth()) };
        try {
            return await fetch(this.baseUrl + path, { ...init, headers });
        }
        catch (error) {
            if (init.signal?.aborted)
                throw error;
            throw await unreachable(this.baseUrl);
        }
    }
}
/** The connection may break while an answer is on its way, too. */
async function received(answer, url) {
    try {
        return await answer;
    }
    catch {
        throw noAnswer(url);
    }
}
/** The address of the API, without a slash at its end. On a page it may also be a path of the page's own origin. */
function addressOf(given) {
    const address = given.trim();
    const path = globalThis.location !== undefined && /^(\/|$)/.test(address);
    if (path || /^https?:\/\/[^/]/i.test(address))
        return address.replace(/\/+$/, "");
    throw new IrisvueError(`${address || '""'} is no address: it begins with http:// or https://`, 0, "address");
}
/** A new idempotency key, for something that should happen only once. */
export function newKey() {
    const random = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
    return Array.from(random, (byte) => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}
export function queryOf(values) {
    const given = Object.entries(values).filter((pair) => pair[1] !== undefined);
    return given.length ? `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
}
