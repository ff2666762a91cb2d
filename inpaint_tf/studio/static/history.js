// Undo and redo. An entry has `undo()`, `redo()` and `bytes`.

const MOST_BYTES = 400e6;
const MOST = 500;

export class History extends EventTarget {
  past = [];
  future = [];

  push(entry) {
    this.past.push(entry);
    this.future = [];
    let bytes = this.past.reduce((sum, each) => sum + each.bytes, 0);
    while (this.past.length > 1 && (bytes > MOST_BYTES || this.past.length > MOST)) bytes -= this.past.shift().bytes;
    this.#tell();
  }

  undo() {
    this.#step("undo", this.past, this.future);
  }

  redo() {
    this.#step("redo", this.future, this.past);
  }

  #step(act, from, to) {
    const entry = from.pop();
    if (!entry) return;
    entry[act]();
    to.push(entry);
    this.#tell();
  }

  clear() {
    this.past = [];
    this.future = [];
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
