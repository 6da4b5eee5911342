import { IrisvueError, type JobResponse } from "irisvue-client";
import { useJob } from "irisvue-client/react";
import { useEffect, useState } from "react";
import { client } from "./client";
import { BeforeAfter, Failure, Ring } from "./parts";

/** One job from its first step to its picture or its reason. */
export function JobView({ jobId, show }: { jobId: string; show: (jobId: string | null) => void }) {
  const { progress, step, connection, message, error, job, pictures, refresh } = useJob(client, jobId);
  const [refused, setRefused] = useState<IrisvueError | null>(null);

  useEffect(() => {
    const back = (): void => void (document.visibilityState === "visible" && refresh()); // signed addresses run out after minutes
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, [refresh]);

  async function attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof IrisvueError)) throw error;
      setRefused(error);
    }
  }
  const open = ({ job_id }: JobResponse): void => show(job_id);
  const again = <button onClick={() => void attempt(async () => open(await client.reprocess(jobId)))}>Reprocess</button>;
  const another = <button onClick={() => show(null)}>New photo</button>;

  if (refused) return <Failure error={refused}><button onClick={() => setRefused(null)}>Back</button></Failure>;
  if (job?.status === "failed") {
    const reason = new IrisvueError(job.error_message, 200, job.error_code ?? job.error_type);
    return <Failure error={reason} suggestion={job.suggestion}>{another}{again}</Failure>;
  }
  if (error && message?.status !== "failed") return <Failure error={error}>{another}</Failure>;
  if (job?.status === "cancelled") return <Failure error={new IrisvueError("Cancelled.", 200, "cancelled")}>{another}{again}</Failure>;
  if (job?.status !== "completed") {
    const words = connection === "waiting" ? "Connection lost. Your job goes on." : step || "Connecting...";
    return <Ring photo={pictures.preview ?? pictures.original} percent={progress} step={words} />;
  }
  return (
    <section>
      <BeforeAfter before={job.before_url} after={job.result_url} />
      <p>{job.result_width} × {job.result_height} px</p>
      <nav>
        <button onClick={() => void attempt(async () => save(await client.download(job)))}>Save</button>
        {again}{another}
      </nav>
    </section>
  );
}

function save(picture: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(picture);
  link.download = "iris.jpg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
