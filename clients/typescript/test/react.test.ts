// @vitest-environment happy-dom
import { renderHook, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { Irisvue } from "../src/index.js";
import { useJobProgress } from "../src/react.js";
import { eye, token, url } from "./live.js";

const client = new Irisvue({ baseUrl: url, token });

test("useJobProgress follows a job to its end", async () => {
  const photo = await client.uploadPhoto(await eye(), { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id);
  const { result, rerender, unmount } = renderHook(({ id }: { id: string | null }) => useJobProgress(client, id), { initialProps: { id: null as string | null } });
  expect(result.current).toEqual({ message: null, connection: "closed", error: null });
  rerender({ id: job_id });
  await waitFor(() => expect(result.current.message?.status).toBe("completed"), { timeout: 30_000 });
  await waitFor(() => expect(result.current.connection).toBe("closed"));
  rerender({ id: "00000000-0000-4000-8000-000000000000" });
  await waitFor(() => expect(result.current.error?.status).toBe(404));
  unmount();
});
