// A strip of fills of the same place by other models and options, one after the other.

const GAP = 8; // pixels
const SIDE = 208;
const MARGIN = 0.35; // of the hole, around it

export class Alternatives {
  constructor(editor, view, { strip, cards, report }) {
    Object.assign(this, { editor, view, strip, cards, report });
  }

  get isOpen() {
    return !this.strip.hidden;
  }

  // What can be filled in other ways: what is painted, or else what was filled last.
  get isPossible() {
    return Boolean(this.editor.session) && (!this.editor.mask.isEmpty || Boolean(this.editor.fill));
  }

  async open(models) {
    this.close();
    const { editor } = this;
    editor.cancel();
    const painted = await editor.mask.part();
    const last = editor.fill;
    const part = painted ?? last.part;
    const base = painted ? last : last.base;
    const controller = (this.controller = new AbortController());
    this.strip.hidden = false;
    const cards = waysOf(models).map((way) => this.#card(way));
    this.view.cover(this.strip.offsetHeight + GAP);
    for (const { way, button, canvas } of cards) {
      try {
        const fill = await editor.session.fill(base, part, way.options, { signal: controller.signal });
        const patch = await editor.session.patch(fill);
        if (controller.signal.aborted) return;
        await this.#draw(canvas, fill, patch);
        button.disabled = false;
        button.parentElement.classList.remove("waiting");
        button.onclick = () => this.#pick(button, fill, patch);
      } catch (error) {
        if (error.name === "AbortError") return;
        button.parentElement.remove();
        this.report(`${way.title}: ${error.message}`);
      }
    }
  }

  close() {
    this.controller?.abort();
    this.strip.hidden = true;
    this.view.cover(0);
    this.cards.replaceChildren();
  }

  #card(way) {
    const item = document.createElement("li");
    item.className = "waiting";
    const button = document.createElement("button");
    button.disabled = true;
    button.setAttribute("aria-pressed", "false");
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    button.append(canvas, way.title);
    item.append(button);
    this.cards.append(item);
    return { way, button, canvas };
  }

  async #draw(canvas, fill, patch) {
    const [left, top, right, bottom] = fill.area;
    const side = Math.max(right - left, bottom - top, 48) * (1 + 2 * MARGIN);
    const scale = SIDE / side;
    const context = canvas.getContext("2d");
    const place = [(left + right - side) / 2, (top + bottom - side) / 2];
    context.imageSmoothingQuality = "high";
    context.drawImage(this.editor.photo.canvas, ...place, side, side, 0, 0, SIDE, SIDE);
    const corner = [(left - place[0]) * scale, (top - place[1]) * scale];
    context.drawImage(patch, ...corner, patch.width * scale, patch.height * scale);
  }

  #pick(button, fill, patch) {
    for (const each of this.cards.querySelectorAll("button")) each.setAttribute("aria-pressed", each === button);
    this.editor.replace(fill, patch);
  }
}

function waysOf(models) {
  return models.flatMap(({ name, title, detail }) => [
    { title, options: { model: name, detail: detail ? "on" : "off" } },
    { title: `${title}, ${detail ? "no detail" : "detail"}`, options: { model: name, detail: detail ? "off" : "on" } },
    { title: `${title}, blended`, options: { model: name, detail: detail ? "on" : "off", blend: "on" } },
  ]);
}
