import { useEffect, useState } from "react";
import type { Irisvue } from "./client.js";
import { IrisvueError } from "./errors.js";
import type { ProgressMessage } from "./schema.js";
import type { Connection } from "./watch.js";

export interface JobProgress {
  /** The latest message; null before the first one. */
  message: ProgressMessage | null;
  /** The state of the stream; `closed` before it starts and after it ends. */
  connection: Connection | "closed";
  /** Set if watching failed: there will be no more messages. */
  error: IrisvueError | null;
}

const NOTHING: JobProgress = { message: null, connection: "closed", error: null };

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
        for await (const message of client.watchJob(jobId, { signal: stop.signal, onConnection })) change({ message });
        change({ connection: "closed" });
      } catch (error) {
        const known = error instanceof IrisvueError ? error : new IrisvueError(String(error), 0, "unexpected");
        change({ error: known, connection: "closed" });
      }
    };
    void follow();
    return () => stop.abort();
  }, [client, jobId]);
  return progress;
}
