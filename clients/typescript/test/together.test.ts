import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { Irisvue, type ProgressMessage } from "../src/index.js";
import { eye, token, url } from "./live.js";

beforeEach(() => void vi.stubGlobal("WebSocket", WebSocket));
afterEach(() => void vi.unstubAllGlobals());

const laptop = new Irisvue({ baseUrl: url, token });
const phone = new Irisvue({ baseUrl: url, token });

async function all(messages: AsyncIterable<ProgressMessage>): Promise<ProgressMessage[]> {
  const heard = [];
  for await (const message of messages) heard.push(message);
  return heard;
}

test("two clients that watch one job hear the same, and one that leaves takes nothing from the other", async () => {
  const { id } = await laptop.uploadPhoto(await eye());
  const { job_id } = await laptop.submit(id);
  const leaves = new AbortController();
  const [one, other] = await Promise.all([
    all(laptop.watchJob(job_id, { transport: "sse" })),
    all(phone.watchJob(job_id, { transport: "websocket" })),
    (async () => {
      for await (const _ of phone.watchJob(job_id, { signal: leaves.signal })) leaves.abort();
    })(),
  ]);
  const told = (messages: ProgressMessage[]): unknown[] => messages.map(({ progress, step }) => [progress, step]);
  const together = Math.min(one.length, other.length); // whoever comes later begins with the newest message
  expect(together).toBeGreaterThan(1);
  expect(told(one).slice(-together)).toEqual(told(other).slice(-together));
  expect(one.at(-1)?.status).toBe("completed");
});

test("a job that one client cancels ends for the other", async () => {
  const { id } = await laptop.uploadPhoto(await eye());
  const { job_id } = await laptop.submit(id, { priority: "background" });
  const watching = all(phone.watchJob(job_id));
  await laptop.cancel(job_id);
  expect((await watching).at(-1)?.status).toBe("cancelled");
});
