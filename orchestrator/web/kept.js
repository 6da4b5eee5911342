/** What this browser remembers. Where it may not (a private window, a full disk), it lasts as long as the page is open. */

const memory = new Map();

export function kept(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  memory.delete(name);
  try {
    localStorage.setItem(name, value);
  } catch {
    memory.set(name, value);
  }
}
