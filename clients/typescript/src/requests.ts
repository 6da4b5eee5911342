import { cancelled, errorOf, IrisvueError, noAnswer, timedOut, unreachable } from "./errors.js";
import { rest } from "./watch.js";

export interface ClientOptions {
  /** Where the API is, such as `https://iris.example.com`, without a path. */
  baseUrl: string;
  /** A bearer token, or a function that returns one. The function is called for each request, and once more after a 401. */
  token: string | (() => string | Promise<string>);
  /** The language of the words for people, as in Accept-Language: `de`, `fr-CH, de;q=0.8`. By default the browser's own, and English elsewhere. */
  language?: string;
  /** How many times a call is repeated when the connection breaks or the server is busy; 2 by default. Uploads have more. */
  retries?: number;
  /** How long one request may take, in milliseconds; 60,000 by default. Uploads and streams have no limit. */
  timeout?: number;
}

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal;
  /** How long each try may take, in milliseconds; the client's own by default. */
  timeout?: number;
  /** How many times to repeat the call when the connection breaks or the server is busy; the client's own by default. */
  retries?: number;
  /** The same call with the same key happens once, and is answered alike each time. By default each call makes a new key. */
  idempotencyKey?: string;
}

const TIMEOUT_MS = 60_000;
const RETRIES = 2;
const PAUSE_MS = 500;

/** Requests with the caller's token: repeated where that is safe, and ended in time. Throws IrisvueError. */
export class Requests {
  readonly baseUrl: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.baseUrl = addressOf(options.baseUrl);
    this.#options = options;
  }

  /** An authorised request to any path of the API; sent once, and once more with a new token after a 401. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    let response = await this.#fetch(path, init);
    if (response.status === 401 && this.renewable) response = await this.#fetch(path, init);
    if (response.ok) return response;
    throw errorOf(response.status, await response.text(), response.headers);
  }

  /** Whether a 401 can be mended by asking for the token again. */
  protected get renewable(): boolean {
    return typeof this.#options.token === "function";
  }

  /** The headers that say who asks, and in which language. */
  protected async auth(): Promise<Record<string, string>> {
    const { token, language } = this.#options;
    const bearer = String(typeof token === "function" ? await token() : token).trim();
    const strange = /[^ -~]/u.exec(bearer)?.[0];
    if (strange) throw new IrisvueError(`This is no token: it has ${JSON.stringify(strange)} in it. Copy it again, whole.`, 401, "unauthorized");
    return { Authorization: `Bearer ${bearer}`, ...(language ? { "Accept-Language": language } : {}) };
  }

  protected async get<T>(path: string, options: CallOptions = {}): Promise<T> {
    return this.#repeated(this.#json<T>(path, {}), options);
  }

  /** POST with an idempotency key, so that it may be repeated. */
  protected async post<T>(path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    const headers: Record<string, string> = { "Idempotency-Key": options.idempotencyKey ?? newKey() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init = { method: "POST", headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    return this.#repeated(this.#json<T>(path, init), options);
  }

  /** DELETE; what an earlier try has deleted without our hearing of it is not missed. */
  protected async delete(path: string, options: CallOptions = {}): Promise<void> {
    let tries = 0;
    const send = async (signal: AbortSignal): Promise<unknown> => {
      tries += 1;
      return this.request(path, { method: "DELETE", signal });
    };
    try {
      await this.#repeated(send, options);
    } catch (error) {
      if (!(error instanceof IrisvueError && error.status === 404 && tries > 1)) throw error;
    }
  }

  /** What lies at a signed address; it carries its own right, so the token is not sent. */
  protected async fetchSigned(url: string, options: CallOptions): Promise<Blob> {
    const get = async (signal: AbortSignal): Promise<Blob> => {
      const response = await received(fetch(url, { signal }), url);
      if (!response.ok) throw errorOf(response.status, await response.text(), response.headers);
      return received(response.blob());
    };
    return this.#repeated(get, options);
  }

  #json<T>(path: string, init: RequestInit): (signal: AbortSignal) => Promise<T> {
    return async (signal) => {
      const response = await this.request(path, { ...init, signal });
      return JSON.parse((await received(response.text())) || "null") as T;
    };
  }

  async #repeated<T>(send: (signal: AbortSignal) => Promise<T>, options: CallOptions): Promise<T> {
    for (let left = options.retries ?? this.#options.retries ?? RETRIES; ; left -= 1) {
      try {
        return await this.#inTime(send, options);
      } catch (error) {
        if (!(error instanceof IrisvueError) || !error.retryable || left <= 0) throw error;
        await rest((error.retryAfter ?? 0) * 1000 || PAUSE_MS * (0.5 + Math.random()), options.signal);
        if (options.signal?.aborted) throw cancelled();
      }
    }
  }

  async #inTime<T>(send: (signal: AbortSignal) => Promise<T>, options: CallOptions): Promise<T> {
    const timeout = options.timeout ?? this.#options.timeout ?? TIMEOUT_MS;
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const timer = setTimeout(abort, timeout);
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    try {
      return await send(stop.signal);
    } catch (error) {
      if (options.signal?.aborted) throw cancelled();
      throw stop.signal.aborted ? timedOut(timeout) : error;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...(await this.auth()) };
    try {
      return await fetch(this.baseUrl + path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw await unreachable(this.baseUrl);
    }
  }
}

/** The connection may break while an answer is on its way, too. */
async function received<T>(answer: Promise<T>, url?: string): Promise<T> {
  try {
    return await answer;
  } catch {
    throw noAnswer(url);
  }
}

/** The address of the API, without a slash at its end. On a page it may also be a path of the page's own origin. */
function addressOf(given: string): string {
  const address = given.trim();
  const path = globalThis.location !== undefined && /^(\/|$)/.test(address);
  if (path || /^https?:\/\/[^/]/i.test(address)) return address.replace(/\/+$/, "");
  throw new IrisvueError(`${address || '""'} is no address: it begins with http:// or https://`, 0, "address");
}

/** A new idempotency key, for something that should happen only once. */
export function newKey(): string {
  const random = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(random, (byte) => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}

export function queryOf(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
  return given.length ? `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
}
