import type { Irisvue, JobList } from "./client.js";
import type { Job } from "./job.js";
import type { JobStatus, PhotoList, ProgressMessage } from "./schema.js";
import { isLast } from "./watch.js";

/** What of TanStack Query's client is used here; any of its versions for any framework has it. */
export interface QueryCache {
  setQueryData<T>(key: readonly unknown[], update: (now: T | undefined) => T | undefined): unknown;
  invalidateQueries(filters: { queryKey: readonly unknown[] }): Promise<unknown>;
}

interface Query<T> {
  queryKey: readonly unknown[];
  queryFn: (context: { signal: AbortSignal }) => Promise<T>;
}

const keys = {
  job: (id: string) => ["irisvue", "job", id] as const,
  jobs: ["irisvue", "jobs"] as const,
  photos: ["irisvue", "photos"] as const,
};

/** For `useQuery`: one job. */
export function jobQuery(client: Irisvue, jobId: string): Query<Job> {
  return { queryKey: keys.job(jobId), queryFn: ({ signal }) => client.getJob(jobId, { signal }) };
}

/** For `useQuery`: the caller's jobs, newest first. */
export function jobsQuery(client: Irisvue, query: { page?: number; page_size?: number; status?: JobStatus; photo_id?: string } = {}): Query<JobList> {
  return { queryKey: [...keys.jobs, query], queryFn: ({ signal }) => client.listJobs(query, { signal }) };
}

/** For `useQuery`: the caller's photos, newest first. */
export function photosQuery(client: Irisvue, query: { page?: number; page_size?: number } = {}): Query<PhotoList> {
  return { queryKey: [...keys.photos, query], queryFn: ({ signal }) => client.listPhotos(query, { signal }) };
}

/**
 * Keeps the queries above up to date until the signal aborts: progress is written into jobs that are cached, and what a
 * finished job changes is fetched anew. Call it once, where the app starts, for example in an effect.
 */
export async function followJobs(cache: QueryCache, client: Irisvue, signal: AbortSignal): Promise<void> {
  for await (const message of client.watchAll({ signal })) {
    cache.setQueryData<Job>(keys.job(message.job_id), (job) => job && changed(job, message));
    if (!isLast(message)) continue;
    await Promise.all([keys.job(message.job_id), keys.jobs, keys.photos].map((queryKey) => cache.invalidateQueries({ queryKey })));
  }
}

function changed(job: Job, message: ProgressMessage): Job {
  const unfinished = job.status === "pending" || job.status === "processing";
  if (!unfinished || isLast(message)) return job;
  return { ...job, status: "processing", progress: message.progress, current_step: message.step };
}
