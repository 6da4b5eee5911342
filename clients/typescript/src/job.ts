import type { JobStatus, JobStatusResponse } from "./schema.js";

type Pictures = "result_url" | "mask_url" | "before_url" | "preview_url";
type Failure = "error_type" | "error_code" | "error_message" | "suggestion";
type Fields = Omit<JobStatusResponse, "status" | Pictures | Failure>;
type Nothing<Names extends string> = { [Name in Names]?: null };

/** A job that waits or is being processed. */
export interface UnfinishedJob extends Fields, Nothing<Exclude<Pictures, "preview_url">>, Nothing<Failure> {
  status: Exclude<JobStatus, "completed" | "failed" | "cancelled">;
  preview_url?: string | null;
}

/** A job whose picture is finished. The addresses are signed and good for minutes: `getJob` brings new ones. */
export interface CompletedJob extends Fields, Nothing<Failure> {
  status: "completed";
  result_url: string;
  mask_url: string;
  before_url: string | null;
  preview_url?: string | null;
}

/** A job without a picture; the words can be shown to users. */
export interface FailedJob extends Fields, Nothing<Exclude<Pictures, "preview_url">>, Pick<JobStatusResponse, "error_code"> {
  status: "failed";
  preview_url?: string | null;
  error_type: string;
  error_message: string;
  suggestion?: string | null;
}

export interface CancelledJob extends Fields, Nothing<Exclude<Pictures, "preview_url">>, Nothing<Failure> {
  status: "cancelled";
  preview_url?: string | null;
}

/** A job; `status` says which fields it has. */
export type Job = UnfinishedJob | CompletedJob | FailedJob | CancelledJob;
