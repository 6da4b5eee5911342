/** Calls everything in the built client, so that a global that this Node lacks is noticed. Run by tests/clients/test_typescript.py. */

import assert from "node:assert/strict";
import { createECDH, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { WebSocket } from "ws";
import { Irisvue, IrisvueError, isLast, newKey } from "../../dist/index.js";

const { IRISVUE_URL: baseUrl, IRISVUE_TOKEN: token, IRISVUE_PHOTO: path } = process.env;
const bytes = await readFile(path);
const called = new Set();
const client = new Proxy(new Irisvue({ baseUrl, token: async () => token }), {
  get(target, name) {
    called.add(name);
    return typeof target[name] === "function" ? target[name].bind(target) : target[name];
  },
});

async function all(messages) {
  const found = [];
  for await (const message of messages) found.push(message);
  return found;
}

async function photosAndJobs() {
  const shares = [];
  const photo = await client.uploadPhoto(bytes, { onProgress: (share) => shares.push(share), signal: new AbortController().signal });
  const others = [new Uint8Array(bytes).buffer, new Blob([bytes], { type: "image/jpeg" })];
  for (const other of others) await client.uploadPhoto(other, { idempotencyKey: newKey() });
  assert.deepEqual(shares, [1]);
  assert.equal((await client.getPhoto(photo.id)).content_type, "image/jpeg");
  assert.equal((await client.listPhotos({ page: 1 })).total, 3);

  const { job_id } = await client.submit(photo.id, { idempotencyKey: newKey() });
  const ids = [];
  const messages = await all(client.watchJob(job_id, { onEventId: (id) => ids.push(id), signal: new AbortController().signal }));
  assert.ok(isLast(messages.at(-1)));
  const job = await client.getJob(job_id);
  assert.equal(job.status, "completed");
  assert.equal((await fetch(job.result_url)).headers.get("content-type"), "image/jpeg");

  globalThis.WebSocket = WebSocket;
  for (const transport of ["sse", "websocket"]) {
    const again = await all(client.watchJob(job_id, { transport, lastEventId: ids.at(-2) }));
    assert.deepEqual(again.map((message) => message.status), ["completed"]);
  }
  await client.reprocess(job_id).then((second) => client.cancel(second.job_id));
  assert.equal((await client.submitBatch([photo.id])).length, 1);
  assert.equal((await client.listJobs({ photo_id: photo.id })).total, 3);
  await client.deletePhoto(photo.id);
}

async function fromPhotoToPicture() {
  const job = await client.process(bytes, { signed: true, onProgress: () => undefined });
  assert.equal(job.status, "completed");
  assert.equal((await client.download(job)).type, "image/jpeg");
}

async function accountAndShares() {
  const { id } = await client.uploadPhoto(bytes);
  const { job_id } = await client.submit(id);
  await all(client.watchJob(job_id));
  const share = await client.share(job_id, 3600);
  assert.equal((await client.listShares(job_id)).length, 1);
  await client.revokeShare(job_id, share.id);
  await client.setConsent("1");
  assert.ok(await client.getAccount());
  const { id: export_id } = await client.exportAccount();
  assert.equal((await client.getExport(export_id)).id, export_id);
  assert.ok((await client.getUsage(7)).days.length > 0);
  await client.deletePhotos([id]);
}

async function webhooks() {
  const { id } = await client.createWebhook({ url: "http://127.0.0.1:9/" });
  await client.testWebhook(id);
  assert.equal((await client.listDeliveries(id)).total, 1);
  assert.equal((await client.listWebhooks()).length, 1);
  await client.deleteWebhook(id);
}

async function devices() {
  const device = await client.registerDevice(newKey(), "android");
  await client.removeDevice(device.id);
  await client.getBrowserKey();
  const keys = { p256dh: createECDH("prime256v1").generateKeys("base64url"), auth: randomBytes(16).toString("base64url") };
  const browser = await client.registerBrowser({ endpoint: "https://push.example.com/" + newKey(), keys });
  await client.removeDevice(browser.id);
}

async function errorsAndRetries() {
  await assert.rejects(client.uploadPhoto(new Blob(["no photo"])), { name: "IrisvueError", code: "not_an_image" });
  await assert.rejects(client.request("/api/v1/nothing"), { status: 404 });
  const nowhere = new Irisvue({ baseUrl: "http://127.0.0.1:9", token });
  const reasons = [];
  await assert.rejects(nowhere.uploadPhoto(bytes, { retries: 1, onRetry: (error) => reasons.push(error) }), { code: "network" });
  assert.ok(reasons.length === 1 && reasons[0] instanceof IrisvueError && reasons[0].retryable);
}

async function untilAborted() {
  const stop = new AbortController();
  const onConnection = (state) => state === "open" && stop.abort();
  assert.deepEqual(await all(client.watchAll({ signal: stop.signal, onConnection })), []);
}

await photosAndJobs();
await fromPhotoToPicture();
await webhooks();
await devices();
await errorsAndRetries();
await accountAndShares();
await untilAborted();
await client.deleteAccount();
const methods = Object.getOwnPropertyNames(Irisvue.prototype).filter((name) => name !== "constructor");
assert.deepEqual(methods.filter((name) => !called.has(name)), [], "methods that this file does not call yet");
console.log(`${called.size} methods on Node ${process.version}`);
