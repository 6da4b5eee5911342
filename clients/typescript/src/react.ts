import { useCallback, useEffect, useState } from "react";
import type { Irisvue } from "./client.js";
import { IrisvueError } from "./errors.js";
import type { Job } from "./job.js";
import type { ProgressMessage } from "./schema.js";
import type { Connection } from "./watch.js";

export interface JobProgress {
  /** 0 to 100; 0 before the first message. */
  progress: number;
  /** The step in words for people; empty before the first message. */
  step: string;
  /** The address of the finished picture; null before there is one. */
  result: string | null;
  /** The latest message; null before the first one. */
  message: ProgressMessage | null;
  /** The state of the stream; `closed` before it starts and after it ends. */
  connection: Connection | "closed";
  /** Set if the job has failed, with its reason, or if watching did: there will be no more messages. */
  error: IrisvueError | null;
}

const NOTHING: JobProgress = { progress: 0, step: "", result: null, message: null, connection: "closed", error: null };

/** Follows a job while the component is mounted, across broken connections. Pass null to follow nothing. */
export function useJobProgress(client: Irisvue, jobId: string | null): JobProgress {
  const [progress, setProgress] = useState(NOTHING);
  useEffect(() => {
    setProgress(NOTHING);
    if (jobId === null) return;
    const stop = new AbortController();
    const change = (change: Partial<JobProgress>): void => {
      if (!stop.signal.aborted) setProgress((now) => ({ ...now, ...change }));
    };
    const follow = async (): Promise<void> => {
      const onConnection = (connection: Connection): void => change({ connection });
      try {
        for await (const message of client.watchJob(jobId, { signal: stop.signal, onConnection })) change(progressOf(message));
        change({ connection: "closed" });
      } catch (error) {
        change({ error: known(error), connection: "closed" });
      }
    };
    void follow();
    return () => stop.abort();
  }, [client, jobId]);
  return progress;
}

export interface FollowedJob extends JobProgress {
  /** The job as it was last fetched: when the hook began, at its first picture and at its end. Null until then. */
  job: Job | null;
  /** The addresses of its pictures; null where there is none yet. They are good for minutes: `refresh` brings new ones. */
  pictures: Record<"original" | "before" | "preview" | "mask" | "result", string | null>;
  /** Fetches the job again. */
  refresh: () => Promise<void>;
}

/** Follows a job as `useJobProgress` does, and fetches it with its pictures. Pass null for none. */
export function useJob(client: Irisvue, jobId: string | null): FollowedJob {
  const progress = useJobProgress(client, jobId);
  const [fetched, setFetched] = useState<{ job: Job | null; error: IrisvueError | null }>({ job: null, error: null });
  const { status, preview_url } = progress.message ?? {};
  const stage = status === undefined || status === "pending" || status === "processing" ? Boolean(preview_url) : status;

  const fetchJob = useCallback(
    async (signal?: AbortSignal): Promise<void> => {
      if (jobId === null) return;
      try {
        const job = await client.getJob(jobId, signal ? { signal } : {});
        if (!signal?.aborted) setFetched({ job, error: null });
      } catch (error) {
        if (!signal?.aborted) setFetched((now) => ({ ...now, error: known(error) }));
      }
    },
    [client, jobId],
  );
  useEffect(() => setFetched({ job: null, error: null }), [client, jobId]);
  useEffect(() => {
    const stop = new AbortController();
    void fetchJob(stop.signal);
    return () => stop.abort();
  }, [fetchJob, stage]);

  const refresh = useCallback(() => fetchJob(), [fetchJob]);
  return { ...progress, error: progress.error ?? fetched.error, job: fetched.job, pictures: picturesOf(fetched.job), refresh };
}

function progressOf(message: ProgressMessage): Partial<JobProgress> {
  const { progress, step, result_url } = message;
  const words = [message.message, message.suggestion].filter(Boolean).join(" ");
  const error = message.status === "failed" ? new IrisvueError(words, 200, message.error_code ?? message.error_type ?? "failed") : null;
  return { message, progress, step, result: result_url ?? null, error };
}

function picturesOf(job: Job | null): FollowedJob["pictures"] {
  return {
    original: job?.original_url ?? null,
    before: job?.before_url ?? null,
    preview: job?.preview_url ?? null,
    mask: job?.mask_url ?? null,
    result: job?.result_url ?? null,
  };
}

function known(error: unknown): IrisvueError {
  return error instanceof IrisvueError ? error : new IrisvueError(String(error), 0, "unexpected");
}
