/** Photos that were chosen and are not accepted yet. They lie in IndexedDB, so a reload or a flat battery loses none. */

const ready = new Promise((resolve, reject) => {
  const opening = indexedDB.open("irisvue", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("outbox", { keyPath: "key" });
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
ready.catch(() => undefined); // a private window may refuse: then photos live as long as the page

async function run(mode, work) {
  let store;
  try {
    store = (await ready).transaction("outbox", mode).objectStore("outbox");
  } catch {
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const asked = work(store);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** One entry: {key, photo: File, photoId?: string, chosen: number}. */
export const put = (entry) => run("readwrite", (store) => store.put(entry)).catch(() => undefined);
export const remove = (key) => run("readwrite", (store) => store.delete(key));
export const all = async () => ((await run("readonly", (store) => store.getAll())) ?? []).sort((a, b) => a.chosen - b.chosen);
