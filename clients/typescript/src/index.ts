export { Irisvue, newKey, type ClientOptions, type NativeFile, type SubmitOptions, type UploadOptions } from "./client.js";
export { IrisvueError } from "./errors.js";
export { isLast, type Connection, type WatchOptions } from "./watch.js";
export type { EyePosition, JobList, JobResponse, JobStatus, JobStatusResponse, PhotoList, PhotoResponse, Problem, ProgressMessage } from "./schema.js";
