import { cancelled, errorOf, IrisvueError, noAnswer, unreachable } from "./errors.js";
import { newKey } from "./requests.js";
import { rest, watchdog } from "./watch.js";
const PAUSE_MS = 1000;
const SILENT_MS = 60_000;
const IN_ALL_MS = 150_000;
/** Upload a photo, and again where the connection breaks; the key keeps it one photo. */
export async function upload(to, photo, options) {
    const key = options.idempotencyKey ?? newKey();
    const send = options.signed ? await sendSigned(to, photo, key, options) : sendForm(to, photo, key, options);
    for (let left = options.retries ?? 4;; left -= 1) {
        try {
            return await send();
        }
        catch (error) {
            if (options.signal?.aborted)
                throw cancelled();
            if (!(error instanceof IrisvueError) || !error.retryable || left <= 0)
                throw error;
            options.onRetry?.(error);
            await rest((error.retryAfter ?? 0) * 1000 || PAUSE_MS * (0.5 + Math.random()), options.signal);
        }
    }
}
function sendForm(to, photo, key, options) {
    const body = formOf(photo);
    const url = `${to.baseUrl}/api/v1/photos`;
    const post = async () => transmit({ method: "POST", url, api: to.baseUrl, body, headers: { "Idempotency-Key": key, ...(await to.auth()) } }, options);
    return async () => {
        try {
            return JSON.parse(await post());
        }
        catch (error) {
            if (!(error instanceof IrisvueError) || error.status !== 401 || !to.renewable)
                throw error;
            return JSON.parse(await post());
        }
    };
}
async function sendSigned(to, photo, key, options) {
    if ("uri" in photo)
        throw new IrisvueError("A signed upload needs a Blob or bytes: (await fetch(uri)).blob()", 0, "unsupported");
    const body = "byteLength" in photo ? new Blob([photo]) : photo;
    const content_type = body.type || (await kindOf(body));
    return async () => {
        const { id, upload_url, headers } = await to.begin({ content_type, size_bytes: body.size }, key, options.signal);
        await transmit({ method: "PUT", url: new URL(upload_url, to.baseUrl).href, body, headers }, options);
        return to.complete(id, options.signal);
    };
}
async function transmit(sending, options) {
    if (options.signal?.aborted)
        throw cancelled(); // perhaps while the token was being fetched
    return typeof XMLHttpRequest === "function" ? transmitWatched(sending, options) : transmitBlind(sending, options);
}
/** With XMLHttpRequest, which reports how much it has sent. */
function transmitWatched({ method, url, api, body, headers }, options) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        const abort = () => request.abort();
        const { heard, stop } = watchdog(abort, options.silentMs ?? SILENT_MS);
        request.open(method, url);
        for (const [name, value] of Object.entries(headers))
            request.setRequestHeader(name, value);
        request.upload.onprogress = (event) => {
            heard();
            if (event.lengthComputable)
                options.onProgress?.(event.loaded / event.total);
        };
        request.onload = () => {
            if (request.status >= 200 && request.status < 300)
                resolve(request.responseText);
            else
                reject(errorOf(request.status, request.responseText, { get: (name) => request.getResponseHeader(name) }));
        };
        request.onerror = () => void (api ? unreachable(api).then(reject) : reject(noAnswer()));
        request.onabort = () => reject(options.signal?.aborted ? cancelled() : noAnswer());
        request.onloadend = () => {
            stop();
            options.signal?.removeEventListener("abort", abort);
        };
        options.signal?.addEventListener("abort", abort);
        request.send(body);
    });
}
async function transmitBlind({ url, api, ...init }, options) {
    const stop = new AbortController();
    const abort = () => stop.abort();
    const { stop: stopWatching } = watchdog(abort, options.silentMs ?? IN_ALL_MS);
    options.signal?.addEventListener("abort", abort);
    try {
        const response = await fetch(url, { ...init, signal: stop.signal });
        const text = await response.text();
        if (!response.ok)
            throw errorOf(response.status, text, response.headers);
        options.onProgress?.(1);
        return text;
    }
    catch (error) {
        if (options.signal?.aborted)
            throw cancelled();
        if (error instanceof IrisvueError)
            throw error;
        throw api && !stop.signal.aborted ? await unreachable(api) : noAnswer(api ?? url);
    }
    finally {
        stopWatching();
        options.signal?.removeEventListener("abort", abort);
    }
}
function formOf(photo) {
    const form = new FormData();
    if ("uri" in photo)
        form.append("file", photo); // React Native's FormData reads the file
    else if ("byteLength" in photo)
        form.append("file", new Blob([photo]), "photo");
    else
        form.append("file", photo, ("name" in photo && String(photo.name)) || "photo"); // Node 18 has no File to test against
    return form;
}
const KINDS = [
    ["image/jpeg", (head) => head[0] === 0xff && head[1] === 0xd8],
    ["image/png", (head) => head[0] === 0x89 && head[1] === 0x50],
    ["image/webp", (head) => latin(head, 8, 12) === "WEBP"],
    ["image/avif", (head) => latin(head, 4, 12) === "ftypavif"],
    ["image/heic", (head) => latin(head, 4, 8) === "ftyp"],
];
/** What a photo without a type is, by its first bytes; the signed address is for one type only. */
async function kindOf(photo) {
    const head = new Uint8Array(await photo.slice(0, 12).arrayBuffer());
    const kind = KINDS.find(([, is]) => is(head));
    if (!kind)
        throw new IrisvueError("This is not a JPEG, PNG, WebP, HEIC or AVIF.", 0, "not_an_image");
    return kind[0];
}
function latin(head, from, to) {
    return String.fromCharCode(...head.slice(from, to));
}
