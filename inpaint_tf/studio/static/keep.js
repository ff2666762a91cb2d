// What is open, kept in the browser, so that a page that is loaded anew goes on.

import { PAGE } from "./server.js";

const MOST = 24; // pages that are remembered

function database() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("inpaint-tf-studio", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("pages", { keyPath: "page" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function act(mode, work) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction("pages", mode);
      const asked = work(transaction.objectStore("pages"));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    opened.close();
  }
}

let last = Promise.resolve();

// A browser without storage, or with a full one, forgets; nothing else changes.
export function keep(state) {
  last = last.then(async () => {
    await act("readwrite", (store) => store.put({ ...state, page: PAGE, time: Date.now() }));
    const all = await act("readonly", (store) => store.getAll());
    const old = all.sort((a, b) => b.time - a.time).slice(MOST);
    for (const { page } of old) await act("readwrite", (store) => store.delete(page));
  }).catch(() => {});
  return last;
}

export async function recall() {
  return act("readonly", (store) => store.get(PAGE)).catch(() => undefined);
}
