// Talking to the server: errors as exceptions, and whether it is there.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}
export class Offline extends Error {}

// Differs between two pages, so that they take turns in the queue.
export const PAGE = sessionStorage.page ??= Array.from(
  crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const BEAT = 2500; // ms between two looks at whether the server is there
const AGAIN = 700;

class Connection extends EventTarget {
  online = true;

  constructor() {
    super();
    setInterval(() => this.online && !document.hidden && this.probe(), BEAT);
  }

  async probe() {
    try {
      const answer = await fetch("/health", { cache: "no-store" });
      this.set(answer.ok);
    } catch {
      this.set(false);
    }
  }

  set(online) {
    if (online === this.online) return;
    this.online = online;
    this.dispatchEvent(new Event(online ? "back" : "gone"));
    if (!online) this.wait();
  }

  async wait() {
    while (!this.online) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      await this.probe();
    }
  }

  // Resolves when the server answers again.
  back() {
    if (this.online) return Promise.resolve();
    return new Promise((resolve) => this.addEventListener("back", resolve, { once: true }));
  }
}

export const connection = new Connection();

export function query(path, parameters = {}) {
  const given = Object.entries({ ...parameters, page: PAGE }).filter(([, value]) => value !== undefined);
  return `${path}?${new URLSearchParams(given)}`;
}

export async function request(path, { parameters, ...options } = {}) {
  let answer;
  try {
    answer = await fetch(query(path, parameters), { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection.set(false);
    throw new Offline("The server does not answer");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
  throw new Refused(answer.status, error);
}

export const json = async (path, options) => (await request(path, options)).json();
export const blob = async (path, options) => (await request(path, options)).blob();

// The answer to a fill is lines of JSON: each tells how far it is, the last one what became of it.
export async function follow(path, options, tell) {
  const answer = await request(path, options);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let last;
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      break;
    }
    if (part.done) break;
    const lines = (text + part.value).split("\n");
    text = lines.pop();
    for (const line of lines.filter(Boolean)) tell((last = JSON.parse(line)));
  }
  if (last?.state === "failed") throw new Refused(last.status, last.error);
  if (last?.state === "done") return last;
  connection.set(false);
  throw new Offline("The server went away");
}
