/** Photos that were chosen but not accepted yet. They are kept in IndexedDB, so that a reload or a flat battery loses none. */

const ready = new Promise((resolve, reject) => {
  const request = indexedDB.open("irisvue", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "key" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
ready.catch(() => undefined); // a private window may refuse; then photos are lost with the page

async function run(mode, work) {
  let store;
  try {
    store = (await ready).transaction("outbox", mode).objectStore("outbox");
  } catch {
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const request = work(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** An entry is {key, photo: File, photoId?: string, chosen: number}. */
export const put = (entry) => run("readwrite", (store) => store.put(entry)).catch(() => undefined);
export const remove = (key) => run("readwrite", (store) => store.delete(key));
export const all = async () => ((await run("readonly", (store) => store.getAll())) ?? []).sort((a, b) => a.chosen - b.chosen);
