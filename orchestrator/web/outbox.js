/** Photos that were chosen but not accepted yet. They are kept in IndexedDB, so that a reload or a flat battery loses none. */

const ready = new Promise((resolve, reject) => {
  const request = indexedDB.open("irisvue", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "key" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
ready.catch(() => undefined); // a private window may refuse; then photos are lost with the page

async function run(mode, work) {
  const store = (await ready).transaction("outbox", mode).objectStore("outbox");
  return new Promise((resolve, reject) => {
    const request = work(store);
    store.transaction.oncomplete = () => resolve(request.result);
    store.transaction.onabort = () => reject(store.transaction.error); // such as a full disk
  });
}

/** An entry is {key, chosen: number, photo?: File, photoId?: string, process?: bool}. Returns whether it is kept. */
export const put = (entry) => run("readwrite", (store) => store.put(entry)).then(() => true, () => false);
export const remove = (key) => run("readwrite", (store) => store.delete(key)).catch(() => undefined);
export const all = async () => {
  const entries = await run("readonly", (store) => store.getAll()).catch(() => []);
  return entries.sort((a, b) => a.chosen - b.chosen);
};
