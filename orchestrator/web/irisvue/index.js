export { Irisvue, newKey } from "./client.js";
export { IrisvueError } from "./errors.js";
export { isLast } from "./watch.js";
