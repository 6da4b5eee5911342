import { errorOf, IrisvueError, noAnswer } from "./errors.js";
import type {
  BatchResponse, DeviceResponse, JobList, JobResponse, JobStatus, JobStatusResponse, PhotoList, PhotoResponse, ProgressMessage,
  SubmitRequest,
} from "./schema.js";
import { rest, watch, type Source, type WatchOptions } from "./watch.js";

export interface ClientOptions {
  /** Where the API is, such as `https://iris.example.com`; no path. */
  baseUrl: string;
  /** A bearer token, or what gives one; it is asked again after a 401. */
  token: string | (() => string | Promise<string>);
}

/** A file that React Native names by its address. */
export interface NativeFile {
  uri: string;
  name: string;
  type: string;
}

export interface UploadOptions {
  signal?: AbortSignal;
  /** Told the share that has been sent, from 0 to 1. */
  onProgress?: (share: number) => void;
  /** Makes a repeated upload of the same bytes give the first one's photo; one is made up where there is none. */
  idempotencyKey?: string;
  /** Told before each further try why the last one failed. */
  onRetry?: (error: IrisvueError) => void;
  /** How often to try again when the connection breaks or the server is busy; 4 by default. */
  retries?: number;
}

export type SubmitOptions = Omit<SubmitRequest, "photo_id"> & { idempotencyKey?: string };

const UPLOAD_PAUSE_MS = 1000;

/** The HTTP API of Irisvue. Every call throws IrisvueError, whose message is a sentence for people. */
export class Irisvue implements Source {
  readonly baseUrl: string;
  #token: ClientOptions["token"];

  constructor(options: ClientOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.#token = options.token;
  }

  /** Upload a photo: JPEG, PNG, WebP or HEIC. A broken connection is tried again and makes no second photo. */
  async uploadPhoto(photo: Blob | NativeFile, options: UploadOptions = {}): Promise<PhotoResponse> {
    const form = new FormData();
    if ("uri" in photo) form.append("file", photo as unknown as Blob);
    else form.append("file", photo, photo instanceof File ? photo.name : "photo");
    const key = options.idempotencyKey ?? newKey();
    for (let left = options.retries ?? 4; ; left -= 1) {
      try {
        return JSON.parse(await this.#send(form, key, options)) as PhotoResponse;
      } catch (error) {
        if (!(error instanceof IrisvueError) || !error.retryable || left <= 0 || options.signal?.aborted) throw error;
        options.onRetry?.(error);
        await rest((error.retryAfter ?? 0) * 1000 || UPLOAD_PAUSE_MS * (0.5 + Math.random()), options.signal);
      }
    }
  }

  /** Start processing a photo. */
  async submit(photoId: string, options: SubmitOptions = {}): Promise<JobResponse> {
    const { idempotencyKey, ...more } = options;
    return this.#post("/api/v1/processing/submit", { photo_id: photoId, ...more }, idempotencyKey);
  }

  /** Start processing one to ten photos: all or none. */
  async submitBatch(photoIds: string[], idempotencyKey?: string): Promise<JobResponse[]> {
    const path = "/api/v1/processing/batch";
    return (await this.#post<BatchResponse>(path, { photo_ids: photoIds }, idempotencyKey)).jobs;
  }

  async getJob(jobId: string): Promise<JobStatusResponse> {
    return this.#json(`/api/v1/processing/jobs/${jobId}`);
  }

  /** Newest first. */
  async listJobs(query: { page?: number; page_size?: number; status?: JobStatus; photo_id?: string } = {}): Promise<JobList> {
    return this.#json(`/api/v1/processing/jobs${queryOf(query)}`);
  }

  /** A new job for the same photo. */
  async reprocess(jobId: string, idempotencyKey?: string): Promise<JobResponse> {
    return this.#post(`/api/v1/processing/jobs/${jobId}/reprocess`, undefined, idempotencyKey);
  }

  async cancel(jobId: string): Promise<JobStatusResponse> {
    return this.#post(`/api/v1/processing/jobs/${jobId}/cancel`);
  }

  /** Newest first. */
  async listPhotos(query: { page?: number; page_size?: number } = {}): Promise<PhotoList> {
    return this.#json(`/api/v1/photos${queryOf(query)}`);
  }

  async getPhoto(photoId: string): Promise<PhotoResponse> {
    return this.#json(`/api/v1/photos/${photoId}`);
  }

  /** Deletes the photo and everything made from it. */
  async deletePhoto(photoId: string): Promise<void> {
    await this.request(`/api/v1/photos/${photoId}`, { method: "DELETE" });
  }

  /** Register this device (its token from Firebase) for push notices; again at every start of the app. */
  async registerDevice(token: string, platform: "android" | "ios" | "web"): Promise<DeviceResponse> {
    return this.#post("/api/v1/devices", { token, platform });
  }

  /** No more push notices for a device, as when somebody signs out. */
  async removeDevice(deviceId: string): Promise<void> {
    await this.request(`/api/v1/devices/${deviceId}`, { method: "DELETE" });
  }

  /** A job's progress up to its last message, over any number of broken connections. */
  watchJob(jobId: string, options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, jobId, options);
  }

  /** Progress of all of the caller's jobs, until the signal aborts. */
  watchAll(options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, null, options);
  }

  /** An authorised request. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    let response = await this.#fetch(path, init);
    if (response.status === 401 && typeof this.#token === "function") response = await this.#fetch(path, init);
    if (response.ok) return response;
    throw errorOf(response.status, await response.text(), response.headers.get("Retry-After"));
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), Authorization: `Bearer ${await this.#bearer()}` };
    try {
      return await fetch(this.baseUrl + path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw noAnswer();
    }
  }

  async #bearer(): Promise<string> {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  async #json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await this.request(path, init)).json() as Promise<T>;
  }

  async #post<T>(path: string, body?: unknown, idempotencyKey?: string): Promise<T> {
    const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    return this.#json(path, { method: "POST", headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  }

  async #send(form: FormData, key: string, options: UploadOptions): Promise<string> {
    const path = "/api/v1/photos";
    if (options.onProgress && typeof XMLHttpRequest === "function") {
      return sendWithProgress(this.baseUrl + path, form, { Authorization: `Bearer ${await this.#bearer()}`, "Idempotency-Key": key }, options);
    }
    const signal = options.signal ? { signal: options.signal } : {};
    const sent = await this.request(path, { method: "POST", body: form, headers: { "Idempotency-Key": key }, ...signal });
    options.onProgress?.(1);
    return sent.text();
  }
}

/** `fetch` does not say how much it has sent; XMLHttpRequest does. */
function sendWithProgress(url: string, form: FormData, headers: Record<string, string>, options: UploadOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const abort = (): void => sending.abort();
    sending.open("POST", url);
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => event.lengthComputable && options.onProgress?.(event.loaded / event.total);
    sending.onload = () => {
      if (sending.status >= 200 && sending.status < 300) resolve(sending.responseText);
      else reject(errorOf(sending.status, sending.responseText, sending.getResponseHeader("Retry-After")));
    };
    sending.onerror = sending.ontimeout = () => reject(noAnswer());
    sending.onabort = () => reject(new IrisvueError("The upload was cancelled.", 499, "cancelled"));
    sending.onloadend = () => options.signal?.removeEventListener("abort", abort);
    options.signal?.addEventListener("abort", abort);
    sending.send(form);
  });
}

/** A key for one thing that is to happen once. */
export function newKey(): string {
  const random = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(random, (byte) => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return given.length ? `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
}
