import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { Irisvue, type ProgressMessage } from "../src/index.js";
import { dying, eye, token, url } from "./live.js";

beforeEach(() => void vi.stubGlobal("WebSocket", WebSocket));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test.each(["sse", "websocket"] as const)("an app that was in the background for an hour hears the end of its job over %s", async (transport) => {
  const server = new Irisvue({ baseUrl: url, token });
  const cable = await dying();
  const stop = new AbortController();
  try {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // they stand still, as on a phone in a pocket
    let expired = false;
    const phone = new Irisvue({ baseUrl: cable.url, token: () => (expired ? ((expired = false), "expired") : token) });
    const photo = await server.uploadPhoto(await eye());
    const { job_id } = await server.submit(photo.id);
    const heard: ProgressMessage[] = [];
    const watching = (async () => {
      for await (const message of phone.watchJob(job_id, { transport, signal: stop.signal })) heard.push(message);
    })();
    await until(async () => (await server.getJob(job_id)).status === "completed" && cable.deaths() === 1);
    expect(heard.map((message) => message.status)).not.toContain("completed");
    expired = true;
    vi.advanceTimersByTime(3_600_000); // what was due is done once, and late
    await until(async () => vi.advanceTimersByTime(100) && heard.at(-1)?.status === "completed");
    await watching;
    expect(expired).toBe(false);
    expect(heard.at(-1)?.result_url).toContain("http");
    expect(heard.map((message) => message.progress)).toEqual(heard.map((message) => message.progress).sort((a, b) => a - b));
  } finally {
    stop.abort();
    cable.close();
  }
});

async function until(look: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(20)) if (await look()) return;
  throw new Error("nothing after a minute");
}
