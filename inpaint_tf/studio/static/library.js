// The photographs of the folder: thumbnails, and which are not done yet.

import { json, query } from "./server.js";

export class Library extends EventTarget {
  current = "";

  constructor({ list, count, undone }) {
    super();
    Object.assign(this, { list, count, undone });
    undone.addEventListener("change", () => this.load());
    this.end = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#more(), { root: list });
  }

  async load() {
    this.start = 0;
    this.list.replaceChildren();
    await this.#more();
  }

  async #more() {
    this.end.disconnect();
    const start = this.start;
    const parameters = { start, undone: this.undone.checked ? "on" : undefined };
    const { photographs, total } = await json("/studio/folder", { parameters });
    if (start !== this.start) return;
    this.start += photographs.length;
    this.count.textContent = `${total}`;
    this.list.append(...photographs.map((each) => this.#item(each)));
    if (this.start < total && photographs.length) this.end.observe(this.list.lastElementChild);
  }

  #item({ path, done }) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.dataset.path = button.title = path;
    button.classList.toggle("done", done);
    const picture = document.createElement("img");
    Object.assign(picture, { alt: "", draggable: false, loading: "lazy", src: query("/studio/thumbnail", { path }) });
    const name = document.createElement("span");
    name.textContent = path.split("/").at(-1);
    button.append(picture, name);
    if (done) button.setAttribute("aria-label", `${name.textContent}, done`);
    button.addEventListener("click", () => this.dispatchEvent(new CustomEvent("open", { detail: path })));
    item.append(button);
    this.mark(path, button);
    return item;
  }

  select(path) {
    this.current = path;
    for (const button of this.list.querySelectorAll("button")) this.mark(button.dataset.path, button);
  }

  mark(path, button) {
    if (path === this.current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  done(path) {
    const button = [...this.list.querySelectorAll("button")].find((each) => each.dataset.path === path);
    button?.classList.add("done");
    button?.setAttribute("aria-label", `${path.split("/").at(-1)}, done`);
  }
}
