import { errorOf, IrisvueError, noAnswer } from "./errors.js";
import type { ProgressMessage, TicketResponse } from "./schema.js";
import { EventStreamParser } from "./sse.js";

/** The state of a stream. `waiting`: the connection is lost and will be reopened. */
export type Connection = "connecting" | "open" | "waiting";

export interface WatchOptions {
  /** Stops watching; the job goes on. */
  signal?: AbortSignal;
  /** Resume after this message, whose id an earlier watch gave to `onEventId`. */
  lastEventId?: string;
  /** `auto`, the default, uses Server-Sent Events where `fetch` can stream, and otherwise (React Native) a WebSocket. */
  transport?: "auto" | "sse" | "websocket";
  /**
   * How long the stream may be silent before the connection is taken for dead and reopened; 45 seconds, three of the
   * server's heartbeats, by default.
   */
  silentMs?: number;
  /** Called whenever the connection's state changes. */
  onConnection?: (state: Connection) => void;
  /** Called with each message's id before the message is yielded. */
  onEventId?: (id: string) => void;
}

/** What `watch` needs from the client. */
export interface Source {
  readonly baseUrl: string;
  /** An authorised request. Throws IrisvueError if the answer is not 2xx or there is none. */
  request(path: string, init?: RequestInit): Promise<Response>;
}

/** `ended`: the job has ended, and its last message is known. */
type Last = { id: string | undefined; retryMs: number | null; ended: boolean };
type Messages = AsyncGenerator<ProgressMessage, void, undefined>;

// Browsers report going offline and coming back; the connections themselves are often lost without an error.
const device = globalThis as Partial<Pick<Window, "addEventListener" | "removeEventListener">>;
const SILENT_MS = 45_000; // three missed heartbeats: the connection is dead, even if the device has not noticed
const BACK_OFF_MS = [250, 500, 1000, 2000, 4000, 8000, 15_000];
const ENDED = new Set(["completed", "failed", "cancelled"]);

/** Whether this is a job's last message. */
export function isLast(message: ProgressMessage): boolean {
  return ENDED.has(message.status);
}

/**
 * The messages of one job, up to its last one; or, if jobId is null, of all of the caller's jobs, until aborted.
 *
 * A broken connection is reopened after growing, jittered pauses, or at once when the device comes back online, and
 * resumes after the last message received. Throws IrisvueError if the server refuses for good (401, 403, 404).
 */
export async function* watch(source: Source, jobId: string | null, options: WatchOptions = {}): Messages {
  const last: Last = { id: options.lastEventId, retryMs: null, ended: false };
  let failures = 0;
  while (!options.signal?.aborted) {
    options.onConnection?.("connecting");
    try {
      for await (const message of connect(source, jobId, options, last)) {
        failures = 0;
        yield message;
        if (jobId !== null && isLast(message)) return;
      }
      if (last.ended) return;
      failures = Math.min(failures, 1); // closed properly: the server does so after ten minutes, and when it restarts
    } catch (error) {
      if (options.signal?.aborted) return;
      if (!(error instanceof IrisvueError) || !error.retryable) throw error;
      if (error.retryAfter !== null) last.retryMs = error.retryAfter * 1000;
    }
    if (options.signal?.aborted) return;
    options.onConnection?.("waiting");
    const pause = last.retryMs ?? BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)]! * (0.5 + Math.random());
    last.retryMs = null;
    failures += 1;
    await rest(pause, options.signal);
  }
}

/** Calls `lost` once nothing has been heard for a while; `heard` begins that time again. */
export function watchdog(lost: () => void, silentMs: number): { heard: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout>;
  const stop = (): void => clearTimeout(timer);
  const heard = (): void => {
    stop();
    timer = setTimeout(lost, silentMs);
  };
  heard();
  return { heard, stop };
}

function connect(source: Source, jobId: string | null, options: WatchOptions, last: Last): Messages {
  const transport = options.transport ?? "auto";
  const streams = typeof ReadableStream === "function" && typeof Response === "function" && "body" in Response.prototype;
  const sse = transport === "sse" || (transport === "auto" && streams);
  return sse ? overSse(source, jobId, options, last) : overWebSocket(source, jobId, options, last);
}

async function* overSse(source: Source, jobId: string | null, options: WatchOptions, last: Last): Messages {
  const path = jobId === null ? "/api/v1/processing/events" : `/api/v1/processing/jobs/${jobId}/events`;
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (last.id !== undefined) headers["Last-Event-ID"] = last.id;
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  options.signal?.addEventListener("abort", abort);
  device.addEventListener?.("offline", abort);
  const { heard, stop: stopWatching } = watchdog(abort, options.silentMs ?? SILENT_MS);
  try {
    const response = await source.request(path, { headers, signal: stop.signal, cache: "no-store" });
    if (response.status === 204) {
      last.ended = true;
      return;
    }
    if (!response.body) throw new IrisvueError("This fetch can't stream; use a WebSocket.", 200, "no_stream");
    options.onConnection?.("open");
    const parser = new EventStreamParser();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      last.retryMs = parser.retryMs;
      if (done) return;
      heard();
      for (const event of parser.push(value)) {
        if (event.event === "heartbeat") continue;
        if (event.id !== null) note(event.id, last, options);
        yield JSON.parse(event.data) as ProgressMessage;
      }
    }
  } catch (error) {
    throw error instanceof IrisvueError ? error : noAnswer();
  } finally {
    stopWatching();
    options.signal?.removeEventListener("abort", abort);
    device.removeEventListener?.("offline", abort);
    stop.abort(); // also closes the connection when the caller stops reading early
  }
}

async function* overWebSocket(source: Source, jobId: string | null, options: WatchOptions, last: Last): Messages {
  const waiting: (ProgressMessage | { closed: number; reason: string })[] = [];
  let wake: () => void = () => undefined;
  const put = (item: (typeof waiting)[number]): void => {
    waiting.push(item);
    wake();
  };
  const stop = new AbortController();
  const lost = (): void => {
    stop.abort();
    put({ closed: 1006, reason: "" });
  };
  const { heard, stop: stopWatching } = watchdog(lost, options.silentMs ?? SILENT_MS);
  options.signal?.addEventListener("abort", lost);
  device.addEventListener?.("offline", lost);
  let socket: WebSocket | undefined;
  try {
    socket = new WebSocket(await address(source, jobId, last, stop.signal));
    socket.onopen = () => {
      heard();
      options.onConnection?.("open");
    };
    socket.onmessage = (event) => {
      heard();
      const message = JSON.parse(String(event.data)) as ProgressMessage & { type?: string };
      if (message.type !== "heartbeat") put(message);
    };
    socket.onclose = (event) => put({ closed: event.code, reason: event.reason });
    for (;;) {
      const item = waiting.shift();
      if (item === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if ("closed" in item) {
        if (item.closed > 4000 && item.closed < 5000) throw errorOf(item.closed - 4000, JSON.stringify({ detail: item.reason }));
        if (item.closed !== 1000) throw noAnswer();
        return;
      } else {
        if (item.event_id) note(item.event_id, last, options);
        yield item;
      }
    }
  } catch (error) {
    throw stop.signal.aborted ? noAnswer() : error;
  } finally {
    stopWatching();
    options.signal?.removeEventListener("abort", lost);
    device.removeEventListener?.("offline", lost);
    socket?.close(); // a dead one takes its time, and nobody waits for it
  }
}

/** A WebSocket's address, with a new ticket: browsers let it send no headers. */
async function address(source: Source, jobId: string | null, last: Last, signal: AbortSignal): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const answer = await source.request("/api/v1/stream-tickets", { method: "POST", headers, body: JSON.stringify({ job_id: jobId }), signal });
  const { ticket } = (await answer.json()) as TicketResponse;
  const query = `ticket=${encodeURIComponent(ticket)}` + (last.id ? `&last_event_id=${encodeURIComponent(last.id)}` : "");
  const path = jobId === null ? "/ws/jobs" : `/ws/jobs/${jobId}`;
  return `${source.baseUrl.replace(/^http/, "ws")}${path}?${query}`;
}

function note(id: string, last: Last, options: WatchOptions): void {
  if (id === last.id) return; // an event without an id keeps the last one
  last.id = id;
  options.onEventId?.(id);
}

/** Wait, but no longer once the signal aborts or the device comes back online. */
export async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      device.removeEventListener?.("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    device.addEventListener?.("online", end);
    if (signal?.aborted) end();
  });
}
