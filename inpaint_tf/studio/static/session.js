// One photograph that is open on the server, and its fills. If the server has forgotten it, it is
// opened again, and its fills are made again.

import { Offline, Refused, blob, connection, follow, json, request } from "./server.js";

const MOST_OPENED = 3; // times for one request

export class Session {
  // `source` is { path } of the folder, or { name, blob } of a file.
  constructor(source, facts) {
    this.source = source;
    this.facts = facts;
  }

  static async open(source) {
    return new Session(source, await Session.#send(source));
  }

  // Takes up one that was open before the page was loaded anew.
  static async resume(source, key) {
    try {
      return new Session(source, await json(`/studio/documents/${key}`));
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return Session.open(source);
      throw error;
    }
  }

  static #send({ path, name, blob: body }) {
    const parameters = path === undefined ? { name } : { path };
    return json("/studio/documents", { method: "POST", parameters, body });
  }

  close() {
    const path = `/studio/documents/${this.facts.key}`;
    request(path, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  url(place) {
    return `/studio/documents/${this.facts.key}/${place}`;
  }

  // Fills what a part of a mask covers, upon another fill or upon the original (null).
  async fill(base, part, options, { signal, tell = () => {} } = {}) {
    const fill = { base, part, options };
    await this.#again(() => this.#run(fill, signal, tell), signal);
    return fill;
  }

  async patch(fill) {
    await this.#again(() => this.#ensure(fill));
    return createImageBitmap(await blob(this.url(`versions/${fill.version}/patch`)));
  }

  async attention(fill, signal) {
    return this.#again(async () => {
      await this.#ensure(fill);
      return createImageBitmap(await blob(this.url(`versions/${fill.version}/attention`), { signal }));
    }, signal);
  }

  view(fill = null) {
    return this.#again(async () => {
      const version = await this.#ensure(fill);
      return createImageBitmap(await blob(this.url("view"), { parameters: { version } }));
    });
  }

  async crop(fill, [left, top, right, bottom], signal) {
    const version = await this.#ensure(fill);
    return blob(this.url("crop"), { parameters: { version, left, top, right, bottom }, signal });
  }

  file(fill, kind) {
    return this.#again(async () => {
      const version = await this.#ensure(fill);
      return blob(this.url("file"), { parameters: { version, as: kind } });
    });
  }

  save(fill, name, overwrites) {
    return this.#again(async () => {
      const version = await this.#ensure(fill);
      const parameters = { version, name, overwrite: overwrites ? "on" : undefined };
      return json(this.url("save"), { method: "POST", parameters });
    });
  }

  maskOfFile(file) {
    return this.#again(async () => {
      const parameters = { name: file.name };
      return createImageBitmap(await blob(this.url("mask"), { method: "POST", parameters, body: file }));
    });
  }

  fileOfMask({ box, blob: body }) {
    const parameters = { to: "photograph", left: box.left, top: box.top };
    return this.#again(() => blob(this.url("mask"), { method: "POST", parameters, body }));
  }

  // Makes a fill, and those that it builds on, unless the server has it. Returns its version.
  async #ensure(fill, signal, tell) {
    if (!fill) return 0;
    if (fill.key !== this.facts.key) await this.#run(fill, signal, tell);
    return fill.version;
  }

  async #run(fill, signal, tell = () => {}) {
    const version = await this.#ensure(fill.base, signal, tell);
    const { box, blob: body } = fill.part;
    const parameters = { version, left: box.left, top: box.top, ...fill.options };
    const options = { method: "POST", parameters, body, signal };
    const result = await follow(this.url("fills"), options, tell);
    Object.assign(fill, { key: this.facts.key, version: result.version, area: result.box });
  }

  // Does something on the server; if it is gone, again when it is back.
  async #again(act, signal) {
    for (let opened = 0; ; ) {
      try {
        return await act();
      } catch (error) {
        if (error instanceof Offline) await abortable(connection.back(), signal);
        else if (error instanceof Refused && error.status === 404 && opened++ < MOST_OPENED) await this.#reopen();
        else throw error;
      }
    }
  }

  async #reopen() {
    const { width, height } = this.facts;
    this.facts = await Session.#send(this.source);
    if (this.facts.width !== width || this.facts.height !== height)
      throw new Refused(400, `${this.facts.name} has another size now; open it again`);
  }
}

function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("canceled", "AbortError")));
    promise.then(resolve, reject);
  });
}
