import { cancelled, errorOf, IrisvueError, noAnswer } from "./errors.js";
import type {
  BatchResponse, DeviceResponse, EyePosition, JobList, JobResponse, JobStatus, JobStatusResponse, PhotoList, PhotoResponse,
  ProgressMessage, SubmitRequest,
} from "./schema.js";
import { rest, watch, watchdog, type Source, type WatchOptions } from "./watch.js";

export interface ClientOptions {
  /** Where the API is, such as `https://iris.example.com`, without a path. */
  baseUrl: string;
  /** A bearer token, or a function that returns one. The function is called for each request, and once more after a 401. */
  token: string | (() => string | Promise<string>);
  /** The language of the words for people, as in Accept-Language: `de`, `fr-CH, de;q=0.8`. By default the browser's own, and English elsewhere. */
  language?: string;
}

/** A file in React Native, which refers to files by URI. */
export interface NativeFile {
  uri: string;
  name: string;
  type: string;
}

export interface UploadOptions {
  signal?: AbortSignal;
  /** Called with the share sent so far, from 0 to 1. */
  onProgress?: (share: number) => void;
  /** Uploading the same bytes again with the same key returns the first photo. By default each call makes a new key. */
  idempotencyKey?: string;
  /** Called before each retry with the reason the last attempt failed. */
  onRetry?: (error: IrisvueError) => void;
  /**
   * How long nothing may be heard of an upload before its connection is taken for dead and it is sent again: a minute
   * since the last progress where there is `onProgress`, and otherwise two and a half minutes in all, because `fetch` tells
   * of none and the server waits for two.
   */
  silentMs?: number;
  /** How many times to retry when the connection breaks or the server is busy; 4 by default. */
  retries?: number;
}

/** How much of the detail that the network adds: all of it, or less. */
export type Detail = NonNullable<SubmitRequest["detail"]>;

export type SubmitOptions = Omit<SubmitRequest, "photo_id"> & { idempotencyKey?: string };

const UPLOAD_PAUSE_MS = 1000;
const SILENT_MS = 60_000;
const IN_ALL_MS = 150_000;
const PHOTOS = "/api/v1/photos";

/** Irisvue's HTTP API. A call that fails throws IrisvueError, whose message can be shown to users. */
export class Irisvue implements Source {
  readonly baseUrl: string;
  #token: ClientOptions["token"];
  #language: Record<string, string>;

  constructor(options: ClientOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.#token = options.token;
    this.#language = options.language ? { "Accept-Language": options.language } : {};
  }

  /**
   * Upload a photo: JPEG, PNG, WebP, HEIC or AVIF. If the connection breaks, the upload is retried; it never creates a second photo.
   *
   * Takes a Blob or File, or the bytes, such as Node's `readFile` returns. React Native can't make a Blob of bytes: pass a NativeFile.
   */
  async uploadPhoto(photo: Blob | Uint8Array | ArrayBuffer | NativeFile, options: UploadOptions = {}): Promise<PhotoResponse> {
    const form = formOf(photo);
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

  /** Start processing one to ten photos: either all of them or none. `at` says where the eye is in each of them. */
  async submitBatch(photoIds: string[], idempotencyKey?: string, at?: EyePosition, detail?: Detail): Promise<JobResponse[]> {
    const path = "/api/v1/processing/batch";
    return (await this.#post<BatchResponse>(path, { photo_ids: photoIds, at, detail }, idempotencyKey)).jobs;
  }

  /** A job's status and, once it is completed, its result. */
  async getJob(jobId: string): Promise<JobStatusResponse> {
    return this.#json(`/api/v1/processing/jobs/${jobId}`);
  }

  /** The caller's jobs, newest first. */
  async listJobs(query: { page?: number; page_size?: number; status?: JobStatus; photo_id?: string } = {}): Promise<JobList> {
    return this.#json(`/api/v1/processing/jobs${queryOf(query)}`);
  }

  /** Start a new job for the same photo. `at` says where the eye is; what is left out stays as it was. */
  async reprocess(jobId: string, idempotencyKey?: string, at?: EyePosition, detail?: Detail): Promise<JobResponse> {
    return this.#post(`/api/v1/processing/jobs/${jobId}/reprocess`, { at, detail }, idempotencyKey);
  }

  /** Stop a job that has not finished. */
  async cancel(jobId: string): Promise<JobStatusResponse> {
    return this.#post(`/api/v1/processing/jobs/${jobId}/cancel`);
  }

  /** The caller's photos, newest first. */
  async listPhotos(query: { page?: number; page_size?: number } = {}): Promise<PhotoList> {
    return this.#json(`/api/v1/photos${queryOf(query)}`);
  }

  async getPhoto(photoId: string): Promise<PhotoResponse> {
    return this.#json(`/api/v1/photos/${photoId}`);
  }

  /** Delete a photo and everything made from it. */
  async deletePhoto(photoId: string): Promise<void> {
    await this.request(`/api/v1/photos/${photoId}`, { method: "DELETE" });
  }

  /** Register this device for push notifications by its Firebase token. Call it each time the app starts. */
  async registerDevice(token: string, platform: "android" | "ios" | "web"): Promise<DeviceResponse> {
    return this.#post("/api/v1/devices", { token, platform });
  }

  /** Stop push notifications to a device, for example when its user signs out. */
  async removeDevice(deviceId: string): Promise<void> {
    await this.request(`/api/v1/devices/${deviceId}`, { method: "DELETE" });
  }

  /** A job's progress up to its last message. Broken connections are reopened. */
  watchJob(jobId: string, options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, jobId, options);
  }

  /** The progress of all of the caller's jobs, until the signal aborts. */
  watchAll(options: WatchOptions = {}): AsyncGenerator<ProgressMessage, void, undefined> {
    return watch(this, null, options);
  }

  /** An authorised request to any path of the API. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    let response = await this.#fetch(path, init);
    if (response.status === 401 && typeof this.#token === "function") response = await this.#fetch(path, init);
    if (response.ok) return response;
    throw errorOf(response.status, await response.text(), response.headers.get("Retry-After"));
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...this.#language, Authorization: `Bearer ${await this.#bearer()}` };
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
    if (options.signal?.aborted) throw cancelled();
    const headers = { "Idempotency-Key": key };
    if (options.onProgress && typeof XMLHttpRequest === "function") return this.#sendWithProgress(form, headers, options);
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const { stop: stopWatching } = watchdog(abort, options.silentMs ?? IN_ALL_MS);
    options.signal?.addEventListener("abort", abort);
    try {
      const sent = await this.request(PHOTOS, { method: "POST", body: form, headers, signal: stop.signal });
      options.onProgress?.(1);
      return await sent.text();
    } catch (error) {
      if (options.signal?.aborted) throw cancelled();
      throw stop.signal.aborted ? noAnswer() : error;
    } finally {
      stopWatching();
      options.signal?.removeEventListener("abort", abort);
    }
  }

  async #sendWithProgress(form: FormData, headers: Record<string, string>, options: UploadOptions): Promise<string> {
    const send = async (): Promise<string> =>
      sendWithProgress(this.baseUrl + PHOTOS, form, { ...headers, ...this.#language, Authorization: `Bearer ${await this.#bearer()}` }, options);
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof IrisvueError) || error.status !== 401 || typeof this.#token !== "function") throw error;
      return send();
    }
  }
}

/** Only XMLHttpRequest reports how much it has sent; `fetch` does not. */
function sendWithProgress(url: string, form: FormData, headers: Record<string, string>, options: UploadOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) return reject(cancelled()); // while the token was being fetched
    const sending = new XMLHttpRequest();
    const abort = (): void => sending.abort();
    let dead = false;
    const lost = (): void => {
      dead = true;
      abort();
    };
    const { heard, stop } = watchdog(lost, options.silentMs ?? SILENT_MS);
    sending.open("POST", url);
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => {
      heard();
      if (event.lengthComputable) options.onProgress?.(event.loaded / event.total);
    };
    sending.onload = () => {
      if (sending.status >= 200 && sending.status < 300) resolve(sending.responseText);
      else reject(errorOf(sending.status, sending.responseText, sending.getResponseHeader("Retry-After")));
    };
    sending.onerror = sending.ontimeout = () => reject(noAnswer());
    sending.onabort = () => reject(dead ? noAnswer() : cancelled());
    sending.onloadend = () => {
      stop();
      options.signal?.removeEventListener("abort", abort);
    };
    options.signal?.addEventListener("abort", abort);
    sending.send(form);
  });
}

/** A new idempotency key, for something that should happen only once. */
export function newKey(): string {
  const random = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(random, (byte) => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}

function formOf(photo: Blob | Uint8Array | ArrayBuffer | NativeFile): FormData {
  const form = new FormData();
  if ("uri" in photo) form.append("file", photo as unknown as Blob); // React Native's FormData reads the file
  else if ("byteLength" in photo) form.append("file", new Blob([photo as BlobPart]), "photo");
  else form.append("file", photo, ("name" in photo && String(photo.name)) || "photo"); // Node 18 has no File to test against
  return form;
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return given.length ? `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
}
