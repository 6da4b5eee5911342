// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { expect, test } from "vitest";
import { Irisvue } from "../src/index.js";
import { useJob, useJobProgress } from "../src/react.js";
import { followJobs, jobQuery, jobsQuery } from "../src/react-query.js";
import { BLANK_PNG, eye, token, url } from "./live.js";

const client = new Irisvue({ baseUrl: url, token });

test("useJobProgress follows a job to its end", async () => {
  const photo = await client.uploadPhoto(await eye(), { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id);
  const { result, rerender, unmount } = renderHook(({ id }: { id: string | null }) => useJobProgress(client, id), { initialProps: { id: null as string | null } });
  expect(result.current).toEqual({ progress: 0, step: "", result: null, message: null, connection: "closed", error: null });
  rerender({ id: job_id });
  await waitFor(() => expect(result.current.message?.status).toBe("completed"), { timeout: 30_000 });
  await waitFor(() => expect(result.current.connection).toBe("closed"));
  expect(result.current).toMatchObject({ progress: 100, step: "Complete!", error: null });
  expect(result.current.result).toContain("http");
  rerender({ id: "00000000-0000-4000-8000-000000000000" });
  await waitFor(() => expect(result.current.error?.status).toBe(404));
  unmount();
});

test("useJob brings the job with its pictures, and new addresses on request", async () => {
  const photo = await client.uploadPhoto(await eye(), { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id, { preview: true });
  const { result, rerender, unmount } = renderHook(({ id }: { id: string | null }) => useJob(client, id), { initialProps: { id: job_id as string | null } });
  await waitFor(() => expect(result.current.pictures.original).toContain("http"));
  await waitFor(() => expect(result.current.job?.status).toBe("completed"), { timeout: 30_000 });
  expect(Object.values(result.current.pictures)).not.toContain(null);
  const first = result.current.job;
  await act(() => result.current.refresh());
  expect(result.current.job).not.toBe(first);
  rerender({ id: null });
  await waitFor(() => expect(result.current).toMatchObject({ job: null, error: null, progress: 0, pictures: { result: null } }));
  rerender({ id: "00000000-0000-4000-8000-000000000000" });
  await waitFor(() => expect(result.current.error?.status).toBe(404));
  unmount();
});

test("a job that fails is an error with its code and words", async () => {
  const dark = new Blob([BLANK_PNG], { type: "image/png" });
  const photo = await client.uploadPhoto(dark, { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id);
  const { result } = renderHook(() => useJobProgress(client, job_id));
  await waitFor(() => expect(result.current.error).toMatchObject({ code: expect.stringMatching(/no_iris|too_dark/), status: 200 }), { timeout: 30_000 });
  expect(result.current.error?.message.length).toBeGreaterThan(30);
});

test("TanStack Query holds jobs that follow their progress", async () => {
  const cache = new QueryClient();
  const photo = await client.uploadPhoto(await eye(), { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id);
  const wrapper = ({ children }: { children: ReactNode }): ReactNode => createElement(QueryClientProvider, { client: cache }, children);
  const { result } = renderHook(() => ({ job: useQuery(jobQuery(client, job_id)), jobs: useQuery(jobsQuery(client)) }), { wrapper });
  const stop = new AbortController();
  const following = followJobs(cache, client, stop.signal);
  const seen = new Set<number | undefined>();
  await waitFor(
    () => {
      seen.add(result.current.job.data?.progress);
      expect(result.current.job.data?.status).toBe("completed");
      expect(result.current.jobs.data?.jobs[0]?.status).toBe("completed");
    },
    { timeout: 30_000, interval: 5 },
  );
  expect(seen.size).toBeGreaterThan(2);
  stop.abort();
  await following;
});
