import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Irisvue, newKey, type ProgressMessage } from "../src/index.js";
import { cuttable, eye, token, url } from "./live.js";

const client = new Irisvue({ baseUrl: url, token });
const open: { close: () => void }[] = [];
afterEach(() => open.splice(0).forEach((server) => server.close()));

/** A server that answers as it is told; `null` is no answer at all. */
async function answering(answers: ((path: string) => [number, unknown?, Record<string, string>?] | null)): Promise<{ baseUrl: string; seen: http.IncomingMessage[] }> {
  const seen: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    seen.push(request);
    const answer = answers(request.url!);
    if (answer === null) return;
    const [status, body, headers] = answer;
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(body === undefined ? "" : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

describe("process", () => {
  test("goes from the photo to the finished picture, which is downloaded", async () => {
    const shown: [number, string, ProgressMessage | undefined][] = [];
    const job = await client.process(await eye(), { preview: true, onProgress: (share, step, message) => shown.push([share, step, message]) });
    if (job.status !== "completed") throw new Error(job.status);
    const address: string = job.result_url; // a completed job has one, and the types know it
    expect(address).toContain("http");
    expect((await client.download(job)).type).toBe("image/jpeg");
    expect((await client.download(job, "mask")).type).toBe("image/png");
    const progress = shown.map(([share]) => share);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(shown[0]).toEqual([0, "Uploading...", undefined]);
    expect(shown.at(-1)?.[2]?.status).toBe("completed");
  });

  test("a job without a picture says which it lacks", async () => {
    const { id } = await client.uploadPhoto(await eye());
    const { job_id } = await client.submit(id);
    await client.cancel(job_id);
    await expect(client.download({ job_id })).rejects.toMatchObject({ code: "not_found", status: 404 });
  });
});

describe("a signed upload", () => {
  test.each([["a file with its type", false], ["bytes, whose kind is read off them", true]])("%s", async (_, bare) => {
    const file = await eye();
    const photo = await client.uploadPhoto(bare ? await file.arrayBuffer() : file, { signed: true });
    expect((await client.getPhoto(photo.id)).content_type).toBe("image/jpeg");
  });

  test("whose answer is lost makes one photo", async () => {
    let lost = 0;
    const way = await cuttable((path) => path === "/api/v1/photos/uploads" && lost++ < 1);
    open.push(way);
    const before = (await client.listPhotos()).total;
    await new Irisvue({ baseUrl: way.url, token }).uploadPhoto(await eye(), { signed: true });
    expect((await client.listPhotos()).total).toBe(before + 1);
  });

  test("of what is no photo is refused before anything is sent", async () => {
    await expect(client.uploadPhoto(new Uint8Array(20), { signed: true })).rejects.toMatchObject({ code: "not_an_image" });
    const native = { uri: "file:///eye.jpg", name: "eye.jpg", type: "image/jpeg" };
    await expect(client.uploadPhoto(native, { signed: true })).rejects.toMatchObject({ code: "unsupported" });
  });
});

test.each(["127.0.0.1:8000", "localhost:8000", "iris.example.com", "/api", ""])("an address without http:// is said to be none: %s", (baseUrl) => {
  const words = `${baseUrl || '""'} is no address: it begins with http:// or https://`;
  expect(() => new Irisvue({ baseUrl, token })).toThrow(expect.objectContaining({ message: words, code: "address", retryable: false }));
});

test("blanks around the address and the token are no mistake", async () => {
  expect((await new Irisvue({ baseUrl: ` ${url}/\n`, token: `${token}\n` }).listJobs()).jobs).toBeDefined();
});

test.each([["abc\ndef", "\\n"], ["abc…", "…"]])("what is no token is not sent: %j", async (wrong, letter) => {
  const nobody = new Irisvue({ baseUrl: "http://127.0.0.1:9", token: wrong });
  const refused = { status: 401, code: "unauthorized", message: `This is no token: it has "${letter}" in it. Copy it again, whole.` };
  await expect(nobody.listJobs()).rejects.toMatchObject(refused);
  await expect(nobody.uploadPhoto(new Uint8Array(3))).rejects.toMatchObject(refused);
});

describe("every call", () => {
  test("is repeated while the server is busy, with one key", async () => {
    let left = 2;
    const busy = await answering(() => (left-- > 0 ? [503, { detail: "Busy.", code: "unavailable" }] : [202, { job_id: "1" }]));
    await new Irisvue({ baseUrl: busy.baseUrl, token }).submit("1");
    expect(busy.seen).toHaveLength(3);
    expect(new Set(busy.seen.map((request) => request.headers["idempotency-key"])).size).toBe(1);
    left = 2;
    const once = new Irisvue({ baseUrl: busy.baseUrl, token, retries: 0 });
    await expect(once.getJob("1")).rejects.toMatchObject({ status: 503 });
    await once.getJob("1", { retries: 1 });
  });

  test("ends in time, and when it is told to", async () => {
    const silent = await answering(() => null);
    const hasty = new Irisvue({ baseUrl: silent.baseUrl, token, timeout: 50, retries: 0 });
    await expect(hasty.listJobs()).rejects.toMatchObject({ code: "timeout", retryable: true });
    const stop = new AbortController();
    const waiting = hasty.getPhoto("1", { signal: stop.signal, timeout: 60_000 });
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  });

  test("says what its request was called", async () => {
    const refusing = await answering(() => [429, { detail: "Slow.", code: "too_many" }, { "Retry-After": "3", "X-Request-ID": "abc" }]);
    const error = { status: 429, retryAfter: 3, requestId: "abc" };
    await expect(new Irisvue({ baseUrl: refusing.baseUrl, token }).getJob("1", { retries: 0 })).rejects.toMatchObject(error);
  });

  test("does not hide that the token can't be had", async () => {
    const broken = new Irisvue({ baseUrl: url, token: () => Promise.reject(new Error("signed out")) });
    await expect(broken.listJobs()).rejects.toThrow("signed out");
  });

  test("a deletion whose answer is lost is done", async () => {
    let lost = 0;
    const { id } = await client.uploadPhoto(await eye());
    const way = await cuttable((path) => path.endsWith(id) && lost++ < 1);
    open.push(way);
    await new Irisvue({ baseUrl: way.url, token }).deletePhoto(id);
    await expect(client.getPhoto(id)).rejects.toMatchObject({ status: 404 });
    await expect(client.deletePhoto(id)).rejects.toMatchObject({ status: 404 });
  });
});

test("webhooks are made, tried, listed and deleted", async () => {
  const receiver = await answering(() => [204]);
  const hook = await client.createWebhook({ url: receiver.baseUrl }, { idempotencyKey: newKey() });
  expect(hook.secret).toMatch(/^whsec_/);
  expect((await client.listWebhooks()).map((one) => one.id)).toContain(hook.id);
  await client.testWebhook(hook.id);
  expect((await client.listDeliveries(hook.id)).total).toBe(1);
  await client.deleteWebhook(hook.id);
});
