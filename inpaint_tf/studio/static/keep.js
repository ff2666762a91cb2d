// What is open, kept in the browser, so that a page that is loaded anew goes on.

import { PAGE } from "./server.js";

const MOST = 24; // pages that are remembered
// A photograph may be large, and is written once; its fills and mask change often.
const STORES = ["sources", "states"];

function database() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("inpaint-tf-studio", 1);
    asked.onupgradeneeded = () => {
      for (const name of STORES) asked.result.createObjectStore(name, { keyPath: "page" });
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

// Makes requests to both stores, and returns their results when all is written.
async function act(mode, work) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction(STORES, mode);
      const asked = work(...STORES.map((name) => transaction.objectStore(name)));
      transaction.oncomplete = () => resolve(asked.map(({ result }) => result));
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    opened.close();
  }
}

let last = Promise.resolve();
let kept = null; // the source that is written

// A browser without storage, or with a full one, forgets; nothing else changes.
export function keep({ source, ...state }) {
  last = last.then(async () => {
    const stamp = { page: PAGE, time: Date.now() };
    await act("readwrite", (sources, states) => [
      states.put({ ...state, ...stamp }),
      ...(source === kept ? [] : [sources.put({ source, ...stamp })]),
    ]);
    if (source !== kept) await forget();
    kept = source;
  }).catch(() => {});
  return last;
}

async function forget() {
  const [all] = await act("readonly", (sources) => [sources.getAll()]);
  const old = all.sort((one, other) => other.time - one.time).slice(MOST);
  await act("readwrite", (...stores) => old.flatMap(({ page }) => stores.map((store) => store.delete(page))));
}

export async function recall() {
  const found = await act("readonly", (...stores) => stores.map((store) => store.get(PAGE))).catch(() => []);
  return found.every(Boolean) && found.length ? { ...found[1], source: found[0].source } : null;
}
