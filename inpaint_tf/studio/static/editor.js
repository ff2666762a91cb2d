// The open photograph: what is painted, what is filled, and what can be undone.

import { History } from "./history.js";
import { keep } from "./keep.js";
import { Session } from "./session.js";

export class Editor extends EventTarget {
  session = null;
  fill = null; // the fill that is shown; null is the original
  running = null;
  options = {};

  // `idle` resolves when nothing is being drawn.
  constructor(mask, canvases, idle) {
    super();
    this.mask = mask;
    this.idle = idle;
    this.photo = canvases.photo.getContext("2d", { willReadFrequently: true });
    this.before = canvases.before.getContext("2d");
    this.history = new History();
    this.history.addEventListener("change", () => this.#changed());
  }

  async open(source) {
    this.cancel();
    const turn = (this.turn = Symbol());
    const session = await Session.open(source);
    const picture = await session.view();
    if (turn !== this.turn) {
      session.close();
      throw new DOMException("another photograph was opened", "AbortError");
    }
    this.session?.close();
    this.#show(session, picture);
  }

  // Goes on with what a page had open before it was loaded anew.
  async resume({ source, key, fills, mask }) {
    const session = await Session.resume(source, key);
    this.#show(session, await session.view());
    let base = null;
    for (const each of fills) {
      const fill = { base, ...each };
      const patch = await session.patch(fill);
      this.mask.set(fill.part.box, fill.part.bits);
      this.#apply(fill, patch);
      base = fill;
    }
    if (mask) this.painted(this.mask.change(mask.box, mask.bits));
  }

  #show(session, picture) {
    this.session = session;
    this.fill = null;
    const { width, height } = picture;
    this.mask.resize(width, height);
    for (const context of [this.photo, this.before]) {
      Object.assign(context.canvas, { width, height });
      context.drawImage(picture, 0, 0);
    }
    this.dispatchEvent(new Event("open"));
    this.history.clear();
  }

  // Takes over a change of the mask, so that it can be undone.
  painted(change) {
    if (!change) return;
    const { box, before, after } = change;
    this.history.push({
      bytes: 2 * before.length,
      undo: () => this.mask.set(box, before),
      redo: () => this.mask.set(box, after),
    });
  }

  // Fills what is painted, and returns whether it did. What is painted meanwhile waits for the next
  // time.
  async run() {
    if (!this.session || this.running || this.mask.isEmpty) return false;
    const running = (this.running = { controller: new AbortController(), state: "waiting", share: 0 });
    this.#changed();
    try {
      const part = await this.mask.part();
      const { signal } = running.controller;
      const tell = ({ state, share = 0 }) => {
        Object.assign(running, { state, share });
        this.dispatchEvent(new Event("progress"));
      };
      const fill = await this.session.fill(this.fill, part, { ...this.options }, { signal, tell });
      const patch = await this.session.patch(fill);
      await this.idle();
      if (this.running !== running) return false;
      this.#apply(fill, patch);
      return true;
    } catch (error) {
      if (error.name !== "AbortError" && this.running === running) throw error;
      return false;
    } finally {
      if (this.running === running) {
        this.running = null;
        this.#changed();
      }
    }
  }

  cancel() {
    this.running?.controller.abort();
    this.running = null;
    this.#changed();
  }

  // Shows another fill in place of the one that is shown.
  replace(fill, patch) {
    const last = this.history.past.at(-1)?.fill;
    if (last && last === this.fill && last.base === fill.base) this.history.undo();
    if (this.fill === fill.base) this.#apply(fill, patch);
  }

  #apply(fill, patch) {
    const [left, top] = fill.area;
    const { width, height } = patch;
    const from = this.fill;
    const before = this.photo.getImageData(left, top, width, height);
    this.photo.clearRect(left, top, width, height);
    this.photo.drawImage(patch, left, top);
    const after = this.photo.getImageData(left, top, width, height);
    const cleared = this.#unpaint(fill.part);
    const show = (shown, pixels, bits) => {
      this.fill = shown;
      this.photo.putImageData(pixels, left, top);
      if (cleared) this.mask.set(cleared.box, bits);
    };
    this.fill = fill;
    this.history.push({
      fill,
      bytes: 8 * width * height,
      undo: () => show(from, before, cleared?.before),
      redo: () => show(fill, after, cleared?.after),
    });
  }

  // Removes from the mask what was filled.
  #unpaint({ box, bits }) {
    const after = this.mask.read(box).map((bit, i) => bit & ~bits[i]);
    return this.mask.change(box, after);
  }

  undo() {
    if (this.running) this.cancel();
    else this.history.undo();
  }

  redo() {
    if (!this.running) this.history.redo();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("progress"));
    clearTimeout(this.timer);
    if (this.session) this.timer = setTimeout(() => this.keep(), 150);
  }

  async keep() {
    if (!this.session) return;
    const fills = [];
    for (let fill = this.fill; fill; fill = fill.base) {
      const { part, options, key, version, area } = fill;
      fills.unshift({ part, options, key, version, area });
    }
    const mask = await this.mask.part();
    const { source, facts } = this.session;
    await keep({ source, key: facts.key, fills, mask });
  }
}
