import type { FailedJob } from "irisvue-client";

/** What to offer after a failure, the likeliest help first: a photo that can't be used stays so, however often it is processed. */
export function offersFor(job: Pick<FailedJob, "error_type">): ("camera" | "reprocess")[] {
  return job.error_type === "quality_issue" ? ["camera"] : ["reprocess", "camera"];
}

/** The name of a saved picture: `iris-20261129-1a2b3c4d.jpg`. */
export function fileName(job: { job_id: string; created_at: string }): string {
  return `iris-${job.created_at.slice(0, 10).replaceAll("-", "")}-${job.job_id.slice(0, 8)}.jpg`;
}
