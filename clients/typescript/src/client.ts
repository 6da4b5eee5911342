import { IrisvueError } from "./errors.js";
import type { Job } from "./job.js";
import { Requests, queryOf, type CallOptions } from "./requests.js";
import type {
  AccountResponse, BatchRequest, BatchResponse, BrowserKeyResponse, DeletedPhotos, DeletionResponse, DeliveryList, DeviceResponse, ExportResponse, EyePosition, JobResponse, JobStatus, PhotoList, PhotoResponse,
  ProgressMessage, ShareList, ShareResponse,
  SubmitRequest, UsageList, WebhookRequest, WebhookResponse,
} from "./schema.js";
import { upload, type PhotoSource, type UploadOptions } from "./upload.js";
import { watch, type Source, type WatchOptions } from "./watch.js";

/** How much of the detail that the network adds: all of it, or less. */
export type Detail = NonNullable<SubmitRequest["detail"]>;

/** The better of two eyes, or each in a job of its own. */
export type Eyes = NonNullable<SubmitRequest["eyes"]>;

export type SubmitOptions = Omit<SubmitRequest, "photo_id"> & CallOptions;
/** What has become of a photo. */
export type PhotoStatus = NonNullable<PhotoResponse["ai_processing_status"]>;
export type BatchOptions = Partial<Pick<BatchRequest, "preview" | "priority">> & { at?: EyePosition | null; detail?: Detail | null; eyes?: Eyes | null } & CallOptions;
export type ReprocessOptions = { at?: EyePosition | null; detail?: Detail | null; eyes?: Eyes | null } & CallOptions;
export type JobList = { jobs: Job[]; total: number; page: number; page_size: number };
export type Picture = "result" | "mask" | "before" | "preview" | "original";

export interface ProcessOptions extends Omit<SubmitOptions, "idempotencyKey"> {
  /** Called with the progress, 0 to 100, the step in words, and, once the job runs, its message. */
  onProgress?: (progress: number, step: string, message?: ProgressMessage) => void;
  /** See UploadOptions. */
  signed?: boolean;
}

const UPLOAD_SHARE = 5; // of the progress that `process` reports
const JOBS = "/api/v1/processing/jobs";
const PHOTOS = "/api/v1/photos";
const ME = "/api/v1/me";
const HOOKS = "/api/v1/webhooks";

/** Irisvue's HTTP API. A call that fails throws IrisvueError, whose message can be shown to users. */
export class Irisvue extends Requests implements Source {
  /**
   * From the photo to the finished picture: upload, submit, follow.
   *
   * Returns the job when it has ended, whichever way: `status` says which.
   */
  async process(photo: PhotoSource, options: ProcessOptions = {}): Promise<Job> {
    const { onProgress, signed, ...submitting } = options;
    const call = pick(submitting);
    onProgress?.(0, "Uploading...");
    const uploading: UploadOptions = { ...call, onProgress: (share) => onProgress?.(UPLOAD_SHARE * share, "Uploading...") };
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
  async uploadPhoto(photo: PhotoSource, options: UploadOptions = {}): Promise<PhotoResponse> {
    const signal = options.signal ? { signal: options.signal } : {};
    const to = {
      baseUrl: this.baseUrl,
      renewable: this.renewable,
      auth: () => this.auth(),
      begin: (body: object, idempotencyKey: string) => this.post<never>(`${PHOTOS}/uploads`, body, { idempotencyKey, ...signal }),
      complete: (id: string) => this.post<PhotoResponse>(`${PHOTOS}/${id}/complete`, undefined, signal),
    };
    return upload(to, photo, options);
  }

  /** Start processing a photo. */
  async submit(photoId: string, options: SubmitOptions = {}): Promise<JobResponse> {
    return this.post("/api/v1/processing/submit", { photo_id: photoId, ...without(options) }, pick(options));
  }

  /** Start processing one to ten photos: either all of them or none. `at` says where the eye is in each of them. */
  async submitBatch(photoIds: string[], options: BatchOptions = {}): Promise<JobResponse[]> {
    const body = { photo_ids: photoIds, ...without(options) };
    return (await this.post<BatchResponse>("/api/v1/processing/batch", body, pick(options))).jobs;
  }

  /** A job's status and, once it is completed, its result. */
  async getJob(jobId: string, options: CallOptions = {}): Promise<Job> {
    return this.get(`${JOBS}/${jobId}`, options);
  }

  /** The caller's jobs, newest first. */
  async listJobs(
    query: { page?: number; page_size?: number; status?: JobStatus; photo_id?: string } = {},
    options: CallOptions = {},
  ): Promise<JobList> {
    return this.get(`${JOBS}${queryOf(query)}`, options);
  }

  /** Start a new job for the same photo. `at` says where the eye is; what is left out stays as it was. */
  async reprocess(jobId: string, options: ReprocessOptions = {}): Promise<JobResponse> {
    const body = without(options);
    return this.post(`${JOBS}/${jobId}/reprocess`, Object.keys(body).length ? body : undefined, pick(options));
  }

  /** Stop a job that has not finished. */
  async cancel(jobId: string, options: CallOptions = {}): Promise<Job> {
    return this.post(`${JOBS}/${jobId}/cancel`, undefined, { retries: 0, ...options });
  }

  /** One of a job's pictures. Throws IrisvueError with the code `not_found` where the job doesn't have it. */
  async download(job: Pick<Job, "job_id">, picture: Picture = "result", options: CallOptions = {}): Promise<Blob> {
    const url = (await this.getJob(job.job_id, options))[`${picture}_url`]; // the address it came with may have run out
    if (!url) throw new IrisvueError(`This job has no picture of this kind: ${picture}.`, 404, "not_found");
    return this.fetchSigned(url, options);
  }

  /** The caller's photos, newest first, each with its newest job and its newest good result. */
  async listPhotos(query: { page?: number; page_size?: number; ai_processing_status?: PhotoStatus } = {}, options: CallOptions = {}): Promise<PhotoList> {
    return this.get(`${PHOTOS}${queryOf(query)}`, options);
  }

  async getPhoto(photoId: string, options: CallOptions = {}): Promise<PhotoResponse> {
    return this.get(`${PHOTOS}/${photoId}`, options);
  }

  /** Delete up to a hundred photos; the answer says which were there. */
  async deletePhotos(photoIds: string[]): Promise<DeletedPhotos> {
    const query = photoIds.map((id) => `photo_id=${encodeURIComponent(id)}`).join("&");
    return (await (await this.request(`${PHOTOS}?${query}`, { method: "DELETE" })).json()) as DeletedPhotos;
  }

  /** A link to a job's result that anyone may open, until it expires (after a week by default) or is revoked. */
  async share(jobId: string, expiresInSeconds?: number, options: CallOptions = {}): Promise<ShareResponse> {
    const body = expiresInSeconds === undefined ? {} : { expires_in_s: expiresInSeconds };
    return this.post(`${JOBS}/${jobId}/shares`, body, options);
  }

  /** The links to a job's result that can be opened. */
  async listShares(jobId: string, options: CallOptions = {}): Promise<ShareResponse[]> {
    return (await this.get<ShareList>(`${JOBS}/${jobId}/shares`, options)).shares;
  }

  /** Close a link, at once. */
  async revokeShare(jobId: string, shareId: string, options: CallOptions = {}): Promise<void> {
    await this.delete(`${JOBS}/${jobId}/shares/${shareId}`, options);
  }

  /** Who the caller is, and to what they have consented. */
  async getAccount(options: CallOptions = {}): Promise<AccountResponse> {
    return this.get(ME, options);
  }

  /** Give consent to the processing of biometric data, or withdraw it with null. */
  async setConsent(version: string | null, options: CallOptions = {}): Promise<AccountResponse> {
    return this.post(ME, { consent: version === null ? null : { version } }, options);
  }

  /** Have everything about the caller put into one ZIP. */
  async exportAccount(options: CallOptions = {}): Promise<ExportResponse> {
    return this.post(`${ME}/exports`, undefined, options);
  }

  /** Whether an export is ready, and where. */
  async getExport(exportId: string, options: CallOptions = {}): Promise<ExportResponse> {
    return this.get(`${ME}/exports/${exportId}`, options);
  }

  /** Delete everything about the caller; the answer counts what is left. */
  async deleteAccount(): Promise<DeletionResponse> {
    return (await (await this.request(ME, { method: "DELETE" })).json()) as DeletionResponse;
  }

  /** What the caller has used, by day. */
  async getUsage(days?: number, options: CallOptions = {}): Promise<UsageList> {
    return this.get(`/api/v1/usage${queryOf({ days })}`, options);
  }

  /** Delete a photo and everything made from it. */
  async deletePhoto(photoId: string, options: CallOptions = {}): Promise<void> {
    await this.delete(`${PHOTOS}/${photoId}`, options);
  }

  /** Register this device for push notifications by its Firebase token. Call it each time the app starts. */
  async registerDevice(token: string, platform: "android" | "ios" | "web", options: CallOptions = {}): Promise<DeviceResponse> {
    return this.post("/api/v1/devices", { token, platform }, options);
  }

  /**
   * Register this browser for push notifications, by its subscription (`subscription.toJSON()`). Call it each time the page
   * opens: browsers change their subscriptions.
   */
  async registerBrowser(subscription: { endpoint?: string; keys?: Record<string, string> }, options: CallOptions = {}): Promise<DeviceResponse> {
    const { endpoint: token, keys } = subscription;
    return this.post("/api/v1/devices", { token, platform: "web", keys }, options);
  }

  /** The `applicationServerKey` for `pushManager.subscribe()`; null where the service sends no web pushes. */
  async getBrowserKey(options: CallOptions = {}): Promise<string | null> {
    return (await this.get<BrowserKeyResponse>("/api/v1/devices/browser-key", options)).public_key;
  }

  /** Stop push notifications to a device, for example when its user signs out. */
  async removeDevice(deviceId: string, options: CallOptions = {}): Promise<void> {
    await this.delete(`/api/v1/devices/${deviceId}`, options);
  }

  /** Be told at `url` when jobs end. The answer's `secret` checks the signatures, and is shown only now. */
  async createWebhook(webhook: WebhookRequest, options: CallOptions = {}): Promise<WebhookResponse> {
    return this.post(HOOKS, webhook, options);
  }

  async listWebhooks(options: CallOptions = {}): Promise<WebhookResponse[]> {
    return (await this.get<{ webhooks: WebhookResponse[] }>(HOOKS, options)).webhooks;
  }

  /** Send a webhook a message now, to try it. */
  async testWebhook(webhookId: string, options: CallOptions = {}): Promise<void> {
    await this.post(`${HOOKS}/${webhookId}/test`, undefined, options);
  }

  /** What was sent to a webhook, newest first, and what came back. */
  async listDeliveries(webhookId: string, query: { page?: number; page_size?: number } = {}, options: CallOptions = {}): Promise<DeliveryList> {
    return this.get(`${HOOKS}/${webhookId}/deliveries${queryOf(query)}`, options);
  }

  async deleteWebhook(webhookId: string, options: CallOptions = {}): Promise<void> {
    await this.delete(`${HOOKS}/${webhookId}`, options);
  }

  /** A job's progress up to its last message. Broken connections are reopened. */
  watchJob(jobId: string, options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, jobId, options);
  }

  /** The progress of all of the caller's jobs, until the signal aborts. */
  watchAll(options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, null, options);
  }
}

const CALL_OPTIONS = ["signal", "timeout", "retries", "idempotencyKey"] as const;

function pick(options: CallOptions): CallOptions {
  return Object.fromEntries(CALL_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
}

/** What of the options goes into the body. */
function without(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(CALL_OPTIONS as readonly string[]).includes(name)));
}
