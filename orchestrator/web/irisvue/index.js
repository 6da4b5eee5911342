export { Irisvue } from "./client.js";
export { IrisvueError } from "./errors.js";
export { newKey } from "./requests.js";
export {} from "./upload.js";
export { isLast } from "./watch.js";
