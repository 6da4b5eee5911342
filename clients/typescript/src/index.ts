export { Irisvue, newKey, type ClientOptions, type Detail, type NativeFile, type SubmitOptions, type UploadOptions } from "./client.js";
export { IrisvueError } from "./errors.js";
export { isLast, type Connection, type WatchOptions } from "./watch.js";
import type { JobStatusResponse } from "./schema.js";
/** Codes beside the words. A newer server may add some. */
export type StepKey = NonNullable<JobStatusResponse["step_key"]>;
export type ErrorCode = NonNullable<JobStatusResponse["error_code"]>;
export type WarningCode = NonNullable<JobStatusResponse["warning_codes"]>[number];
export type { EyePosition, JobList, JobResponse, JobStatus, JobStatusResponse, PhotoList, PhotoResponse, Problem, ProgressMessage } from "./schema.js";
