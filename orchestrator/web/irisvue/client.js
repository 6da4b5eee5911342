import { IrisvueError } from "./errors.js";
import { Requests, queryOf } from "./requests.js";
import { upload } from "./upload.js";
import { watch } from "./watch.js";
const UPLOAD_SHARE = 5; // of the progress that `process` reports
const JOBS = "/api/v1/processing/jobs";
const PHOTOS = "/api/v1/photos";
const ME = "/api/v1/me";
const HOOKS = "/api/v1/webhooks";
/** Irisvue's HTTP API. A call that fails throws IrisvueError, whose message can be shown to users. */
export class Irisvue extends Requests {
    /**
     * From the photo to the finished picture: upload, submit, follow.
     *
     * Returns the job when it has ended, whichever way: `status` says which.
     */
    async process(photo, options = {}) {
        const { onProgress, signed, ...submitting } = options;
        const call = pick(submitting);
        onProgress?.(0, "Uploading...");
        const uploading = { ...call, onProgress: (share) => onProgress?.(UPLOAD_SHARE * share, "Uploading...") };
        const { id } = await this.uploadPhoto(photo, signed ? { ...uploading, signed } : uploading);
        const { job_id } = await this.submit(id, submitting);
        const watching = call.signal ? { signal: call.signal } : {};
        for await (const message of this.watchJob(job_id, watching)) {
            onProgress?.(Math.max(message.progress, UPLOAD_SHARE), message.step, message);
        }
        return this.getJob(job_id, call);
    }
    /**
     * Upload a photo: JPEG, PNG, WebP, HEIC or AVIF. If the connection breaks, the upload is retried; it never creates a second photo.
     *
     * Takes a Blob or File, or the bytes, such as Node's `readFile` returns. React Native can't make a Blob of bytes: pass a NativeFile.
     */
    async uploadPhoto(photo, options = {}) {
        const signal = options.signal ? { signal: options.signal } : {};
        const to = {
            baseUrl: this.baseUrl,
            renewable: this.renewable,
            auth: () => this.auth(),
            begin: (body, idempotencyKey) => this.post(`${PHOTOS}/uploads`, body, { idempotencyKey, ...signal }),
            complete: (id) => this.post(`${PHOTOS}/${id}/complete`, undefined, signal),
        };
        return upload(to, photo, options);
    }
    /** Start processing a photo. */
    async submit(photoId, options = {}) {
        return this.post("/api/v1/processing/submit", { photo_id: photoId, ...without(options) }, pick(options));
    }
    /** Start processing one to ten photos: either all of them or none. `at` says where the eye is in each of them. */
    async submitBatch(photoIds, options = {}) {
        const body = { photo_ids: photoIds, ...without(options) };
        return (await this.post("/api/v1/processing/batch", body, pick(options))).jobs;
    }
    /** A job's status and, once it is completed, its result. */
    async getJob(jobId, options = {}) {
        return this.get(`${JOBS}/${jobId}`, options);
    }
    /** The caller's jobs, newest first. */
    async listJobs(query = {}, options = {}) {
        return this.get(`${JOBS}${queryOf(query)}`, options);
    }
    /** Start a new job for the same photo. `at` says where the eye is; what is left out stays as it was. */
    async reprocess(jobId, options = {}) {
        const body = without(options);
        return this.post(`${JOBS}/${jobId}/reprocess`, Object.keys(body).length ? body : undefined, pick(options));
    }
    /** Stop a job that has not finished. */
    async cancel(jobId, options = {}) {
        return this.post(`${JOBS}/${jobId}/cancel`, undefined, { retries: 0, ...options });
    }
    /** One of a job's pictures. Throws IrisvueError with the code `not_found` where the job doesn't have it. */
    async download(job, picture = "result", options = {}) {
        const url = (await this.getJob(job.job_id, options))[`${picture}_url`]; // the address it came with may have run out
        if (!url)
            throw new IrisvueError(`This job has no picture of this kind: ${picture}.`, 404, "not_found");
        return this.fetchSigned(url, options);
    }
    /** The caller's photos, newest first, each with its newest job and its newest good result. */
    async listPhotos(query = {}, options = {}) {
        return this.get(`${PHOTOS}${queryOf(query)}`, options);
    }
    async getPhoto(photoId, options = {}) {
        return this.get(`${PHOTOS}/${photoId}`, options);
    }
    /** Delete up to a hundred photos; the answer says which were there. */
    async deletePhotos(photoIds) {
        const query = photoIds.map((id) => `photo_id=${encodeURIComponent(id)}`).join("&");
        return (await (await this.request(`${PHOTOS}?${query}`, { method: "DELETE" })).json());
    }
    /** A link to a job's result that anyone may open, until it expires (after a week by default) or is revoked. */
    async share(jobId, expiresInSeconds, options = {}) {
        const body = expiresInSeconds === undefined ? {} : { expires_in_s: expiresInSeconds };
        return this.post(`${JOBS}/${jobId}/shares`, body, options);
    }
    /** The links to a job's result that can be opened. */
    async listShares(jobId, options = {}) {
        return (await this.get(`${JOBS}/${jobId}/shares`, options)).shares;
    }
    /** Close a link, at once. */
    async revokeShare(jobId, shareId, options = {}) {
        await this.delete(`${JOBS}/${jobId}/shares/${shareId}`, options);
    }
    /** Who the caller is, and to what they have consented. */
    async getAccount(options = {}) {
        return this.get(ME, options);
    }
    /** Give consent to the processing of biometric data, or withdraw it with null. */
    async setConsent(version, options = {}) {
        return this.post(ME, { consent: version === null ? null : { version } }, options);
    }
    /** Have everything about the caller put into one ZIP. */
    async exportAccount(options = {}) {
        return this.post(`${ME}/exports`, undefined, options);
    }
    /** Whether an export is ready, and where. */
    async getExport(exportId, options = {}) {
        return this.get(`${ME}/exports/${exportId}`, options);
    }
    /** Delete everything about the caller; the answer counts what is left. */
    async deleteAccount() {
        return (await (await this.request(ME, { method: "DELETE" })).json());
    }
    /** What the caller has used, by day. */
    async getUsage(days, options = {}) {
        return this.get(`/api/v1/usage${queryOf({ days })}`, options);
    }
    /** Delete a photo and everything made from it. */
    async deletePhoto(photoId, options = {}) {
        await this.delete(`${PHOTOS}/${photoId}`, options);
    }
    /** Register this device for push notifications by its Firebase token. Call it each time the app starts. */
    async registerDevice(token, platform, options = {}) {
        return this.post("/api/v1/devices", { token, platform }, options);
    }
    /**
     * Register this browser for push notifications, by its subscription (`subscription.toJSON()`). Call it each time the page
     * opens: browsers change their subscriptions.
     */
    async registerBrowser(subscription, options = {}) {
        const { endpoint: token, keys } = subscription;
        return this.post("/api/v1/devices", { token, platform: "web", keys }, options);
    }
    /** The `applicationServerKey` for `pushManager.subscribe()`; null where the service sends no web pushes. */
    async getBrowserKey(options = {}) {
        return (await this.get("/api/v1/devices/browser-key", options)).public_key;
    }
    /** Stop push notifications to a device, for example when its user signs out. */
    async removeDevice(deviceId, options = {}) {
        await this.delete(`/api/v1/devices/${deviceId}`, options);
    }
    /** Be told at `url` when jobs end. The answer's `secret` checks the signatures, and is shown only now. */
    async createWebhook(webhook, options = {}) {
        return this.post(HOOKS, webhook, options);
    }
    async listWebhooks(options = {}) {
        return (await this.get(HOOKS, options)).webhooks;
    }
    /** Send a webhook a message now, to try it. */
    async testWebhook(webhookId, options = {}) {
        await this.post(`${HOOKS}/${webhookId}/test`, undefined, options);
    }
    /** What was sent to a webhook, newest first, and what came back. */
    async listDeliveries(webhookId, query = {}, options = {}) {
        return this.get(`${HOOKS}/${webhookId}/deliveries${queryOf(query)}`, options);
    }
    async deleteWebhook(webhookId, options = {}) {
        await this.delete(`${HOOKS}/${webhookId}`, options);
    }
    /** A job's progress up to its last message. Broken connections are reopened. */
    watchJob(jobId, options = {}) {
        return watch(this, jobId, options);
    }
    /** The progress of all of the caller's jobs, until the signal aborts. */
    watchAll(options = {}) {
        return watch(this, null, options);
    }
}
const CALL_OPTIONS = ["signal", "timeout", "retries", "idempotencyKey"];
function pick(options) {
    return Object.fromEntries(CALL_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
}
/** What of the options goes into the body. */
function without(options) {
    return Object.fromEntries(Object.entries(options).filter(([name]) => !CALL_OPTIONS.includes(name)));
}
