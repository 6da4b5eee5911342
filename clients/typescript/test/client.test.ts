import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { Irisvue, IrisvueError, isLast, newKey, type Connection, type ProgressMessage } from "../src/index.js";
import { cuttable, dying, eye, token, url } from "./live.js";

const client = new Irisvue({ baseUrl: url, token });

async function accepted(from = client): Promise<string> {
  const photo = await from.uploadPhoto(await eye());
  return (await from.submit(photo.id)).job_id;
}

async function all(messages: AsyncIterable<ProgressMessage>): Promise<ProgressMessage[]> {
  const found: ProgressMessage[] = [];
  for await (const message of messages) found.push(message);
  return found;
}

function sound(messages: ProgressMessage[]): void {
  const progress = messages.map((m) => m.progress);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(messages.at(-1)).toMatchObject({ status: "completed", progress: 100, step: "Complete!" });
  expect(messages.filter(isLast)).toHaveLength(1);
}

describe("a job", () => {
  test("is followed to its end, and its picture is fetched", async () => {
    const job = await accepted();
    sound(await all(client.watchJob(job)));
    const done = await client.getJob(job);
    const picture = await fetch(done.result_url!);
    expect(picture.headers.get("content-type")).toBe("image/jpeg");
    expect((await picture.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
    expect(await all(client.watchJob(job))).toHaveLength(1);
  });

  test("is listed, processed again, cancelled and deleted with its photo", async () => {
    const photo = await client.uploadPhoto(await eye());
    expect((await client.getPhoto(photo.id)).content_type).toBe("image/jpeg");
    expect((await client.listPhotos({ page_size: 1 })).photos[0]?.id).toBe(photo.id);
    const [job] = await client.submitBatch([photo.id]);
    await all(client.watchJob(job!.job_id));
    const second = await client.reprocess(job!.job_id);
    expect((await client.listJobs({ photo_id: photo.id })).jobs.map((j) => j.job_id)).toEqual([second.job_id, job!.job_id]);
    expect((await client.cancel(second.job_id)).status).toBe("cancelled");
    await client.deletePhoto(photo.id);
    await expect(client.getJob(job!.job_id)).rejects.toMatchObject({ status: 404 });
  });
});

describe("over a broken connection", () => {
  test.each([150, 700, 1500])("a stream cut after %i bytes resumes where it broke", async (after) => {
    let cuts = 0;
    const way = await cuttable((path, sent) => path.endsWith("/events") && sent > after && cuts++ < 3);
    const states: Connection[] = [];
    const ids: string[] = [];
    const broken = new Irisvue({ baseUrl: way.url, token });
    const watching = broken.watchJob(await accepted(), { onConnection: (s) => states.push(s), onEventId: (id) => ids.push(id) });
    sound(await all(watching));
    way.close();
    expect(cuts).toBeGreaterThan(0);
    expect(states).toContain("waiting");
    expect(new Set(ids).size, "nothing comes twice").toBe(ids.length);
  });

  test("an upload whose answer is lost makes one photo", async () => {
    let lost = 0;
    const way = await cuttable((path) => path === "/api/v1/photos" && lost++ < 2);
    const before = (await client.listPhotos()).total;
    const broken = new Irisvue({ baseUrl: way.url, token });
    const said: IrisvueError[] = [];
    await broken.uploadPhoto(await eye(), { onRetry: (error) => said.push(error) });
    way.close();
    expect(said.map((e) => e.code)).toEqual(["network", "network"]);
    expect((await client.listPhotos()).total).toBe(before + 1);
  });

  test.each(["sse", "websocket"] as const)("a connection that died without a word is noticed: %s", async (transport) => {
    vi.stubGlobal("WebSocket", WebSocket);
    const way = await dying();
    const states: Connection[] = [];
    const through = new Irisvue({ baseUrl: way.url, token });
    const onConnection = (s: Connection): void => void states.push(s);
    const watching = through.watchJob(await accepted(), { transport, silentMs: 1000, onConnection });
    sound(await all(watching));
    way.close();
    vi.unstubAllGlobals();
    expect(way.deaths()).toBe(1);
    expect(states).toContain("waiting");
  });

  test("a stream that is resumed after its last message has no more", async () => {
    const job = await accepted();
    const ids: string[] = [];
    await all(client.watchJob(job, { onEventId: (id) => ids.push(id) }));
    expect(await all(client.watchJob(job, { lastEventId: ids.at(-1)! }))).toEqual([]);
  });

  test("an unreachable server is retried until the caller aborts", async () => {
    const nobody = new Irisvue({ baseUrl: "http://127.0.0.1:9", token });
    const stop = new AbortController();
    const states: Connection[] = [];
    const watching = all(nobody.watchAll({ signal: stop.signal, onConnection: (s) => states.push(s) }));
    await vi.waitFor(() => expect(states.filter((s) => s === "waiting").length).toBeGreaterThan(1), 5000);
    stop.abort();
    expect(await watching).toEqual([]);
    await expect(nobody.listJobs()).rejects.toMatchObject({ status: 0, code: "network", retryable: true });
    const words = "http://127.0.0.1:9 can't be reached. Is the server running, and is this its address?";
    await expect(nobody.listJobs({}, { retries: 0 })).rejects.toThrow(words);
    await expect(nobody.uploadPhoto(await eye(), { retries: 0 })).rejects.toThrow(words);
  });
});

describe("over a WebSocket, as React Native does", () => {
  beforeEach(() => void vi.stubGlobal("WebSocket", WebSocket));
  afterEach(() => void vi.unstubAllGlobals());

  test("a job is followed, and resumed by its id", async () => {
    const job = await accepted();
    const ids: string[] = [];
    const options = { transport: "websocket", onEventId: (id: string) => void ids.push(id) } as const;
    sound(await all(client.watchJob(job, options)));
    const again = await all(client.watchJob(job, { transport: "websocket", lastEventId: ids.at(-2)! }));
    expect(again.map((m) => m.status)).toEqual(["completed"]);
  });

  test("another user's job is refused once and not retried", async () => {
    const watching = client.watchJob("00000000-0000-4000-8000-000000000000", { transport: "websocket" });
    await expect(all(watching)).rejects.toMatchObject({ status: 404 });
  });
});

test("a device is registered for push notifications, and removed", async () => {
  const device = await client.registerDevice(newKey(), "android");
  expect(device.platform).toBe("android");
  await client.removeDevice(device.id);
  await expect(client.removeDevice(device.id)).rejects.toMatchObject({ status: 404 });
});

test("all jobs on one stream", async () => {
  const stop = new AbortController();
  const ended = new Set<string>();
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const onConnection = (s: Connection): void => void (s === "open" && open());
  const watching = (async () => {
    for await (const message of client.watchAll({ signal: stop.signal, onConnection })) if (isLast(message)) ended.add(message.job_id);
  })();
  await opened;
  const jobs = [await accepted(), await accepted()];
  await vi.waitFor(() => expect(jobs.every((job) => ended.has(job))).toBe(true), 30_000);
  stop.abort();
  await watching;
});

describe("an error has a sentence and a code", () => {
  test("for a file that is no photo or too large", async () => {
    const text = new Blob(["no photo"], { type: "image/jpeg" });
    await expect(client.uploadPhoto(text)).rejects.toMatchObject({ status: 415, code: "not_an_image" });
        await expect(client.uploadPhoto(new Uint8Array(60 * 2 ** 20), { retries: 0 })).rejects.toMatchObject({ status: 413, message: expect.stringContaining("40 MB") });
  });

  test("for a wrong token, also on a stream; an expired token is renewed", async () => {
    const wrong = new Irisvue({ baseUrl: url, token: "wrong" });
    await expect(wrong.listJobs()).rejects.toMatchObject({ status: 401, retryable: false });
    await expect(all(wrong.watchAll())).rejects.toMatchObject({ status: 401 });
    const tokens = ["expired", token];
    const renewing = new Irisvue({ baseUrl: `${url}/`, token: async () => tokens.shift()! });
    await expect(renewing.listJobs()).resolves.toHaveProperty("total");
  });

  test("for the same key with another body", async () => {
    const photo = await client.uploadPhoto(await eye());
    const idempotencyKey = newKey();
    const first = await client.submit(photo.id, { idempotencyKey });
    expect((await client.submit(photo.id, { idempotencyKey })).job_id).toBe(first.job_id);
    await expect(client.submit(photo.id, { idempotencyKey, preview: true })).rejects.toMatchObject({ status: 409 });
    await expect(client.submit(photo.id, { idempotencyKey, detail: "natural" })).rejects.toMatchObject({ status: 409 });
  });
});
