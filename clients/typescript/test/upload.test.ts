// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Irisvue } from "../src/index.js";
import { dying, eye, token, url } from "./live.js";

const client = new Irisvue({ baseUrl: url, token });
afterEach(() => vi.unstubAllGlobals());

async function uploadsNothing(upload: (signal: AbortController) => Promise<unknown>): Promise<void> {
  const before = (await client.listPhotos()).total;
  const stop = new AbortController();
  await expect(upload(stop)).rejects.toMatchObject({ name: "IrisvueError", status: 499, code: "cancelled" });
  expect((await client.listPhotos()).total).toBe(before);
}

describe.each(["XMLHttpRequest", "fetch"])("with %s", (name) => {
  beforeEach(() => void (name === "fetch" && vi.stubGlobal("XMLHttpRequest", undefined)));

  test("an upload that is aborted before it starts is not sent", async () => {
    await uploadsNothing(async (stop) => {
      stop.abort();
      return client.uploadPhoto(await eye(), { signal: stop.signal });
    });
    await uploadsNothing(async (stop) => {
      const whileTokenIsFetched = async (): Promise<string> => {
        stop.abort();
        return token;
      };
      const slow = new Irisvue({ baseUrl: url, token: whileTokenIsFetched });
      return slow.uploadPhoto(await eye(), { signal: stop.signal });
    });
  });

  test("an upload that is aborted while it waits to be sent again is not sent", async () => {
    const nobody = new Irisvue({ baseUrl: "http://127.0.0.1:9", token });
    await uploadsNothing(async (stop) => nobody.uploadPhoto(await eye(), { signal: stop.signal, onRetry: () => stop.abort() }));
  });

  test("an upload asks for a new token when its own has run out", async () => {
    const tokens = ["run out", token];
    const renewing = new Irisvue({ baseUrl: url, token: async () => tokens.shift()! });
    const photo = await renewing.uploadPhoto(await eye());
    expect((await client.getPhoto(photo.id)).id).toBe(photo.id);
    expect(tokens).toEqual([]);
    const fixed = new Irisvue({ baseUrl: url, token: "run out" });
    await expect(fixed.uploadPhoto(await eye())).rejects.toMatchObject({ status: 401 });
  });

  test("an upload whose connection died without a word is sent again, and makes one photo", async () => {
    const way = await dying(/^POST \/api\/v1\/photos/, 0);
    const reasons: string[] = [];
    const before = (await client.listPhotos()).total;
    const through = new Irisvue({ baseUrl: way.url, token });
    await through.uploadPhoto(await eye(), { silentMs: 1000, onRetry: (error) => reasons.push(error.code) });
    way.close();
    expect([way.deaths(), reasons]).toEqual([1, ["network"]]);
    expect((await client.listPhotos()).total).toBe(before + 1);
  });
});
