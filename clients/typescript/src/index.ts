export { Irisvue, type BatchOptions, type Detail, type Eyes, type JobList, type PhotoStatus, type Picture, type ProcessOptions, type ReprocessOptions, type SubmitOptions } from "./client.js";
export { IrisvueError } from "./errors.js";
export type { CancelledJob, CompletedJob, FailedJob, Job, UnfinishedJob } from "./job.js";
export { newKey, type CallOptions, type ClientOptions } from "./requests.js";
export { type NativeFile, type PhotoSource, type UploadOptions } from "./upload.js";
export { isLast, type Connection, type WatchOptions } from "./watch.js";
import type { JobStatusResponse } from "./schema.js";
/** Codes beside the words. A newer server may add some. */
export type StepKey = NonNullable<JobStatusResponse["step_key"]>;
export type ErrorCode = NonNullable<JobStatusResponse["error_code"]>;
export type WarningCode = NonNullable<JobStatusResponse["warning_codes"]>[number];
export type { AccountResponse, DeletedPhotos, DeletionResponse, ExportResponse, ShareResponse, UsageList } from "./schema.js";
export type { DeliveryList, EyePosition, JobResponse, JobStatus, JobStatusResponse, PhotoList, PhotoResponse, Problem, ProgressMessage, WebhookRequest, WebhookResponse } from "./schema.js";
