// A photograph that is reduced on the page is shown at full size where one looks closely.

const PATIENCE = 250; // ms
const MOST = 9e6; // pixels

export class Sharp {
  constructor(view, editor, image) {
    Object.assign(this, { view, editor, image });
    for (const target of [view, editor]) target.addEventListener("change", () => this.#later());
  }

  #later() {
    clearTimeout(this.timer);
    this.controller?.abort();
    if (this.fill !== this.editor.fill) this.image.hidden = true;
    this.timer = setTimeout(() => this.#load().catch(() => {}), PATIENCE);
  }

  async #load() {
    const { view, editor, image } = this;
    const { session, fill } = editor;
    const factor = session?.facts.factor ?? 1;
    const close = factor > 1 && view.scale * devicePixelRatio > 1;
    if (!close) {
      image.hidden = true;
      return;
    }
    const part = view.visible();
    const [left, top, right, bottom] = part;
    if (right <= left || bottom <= top || (right - left) * (bottom - top) * factor ** 2 > MOST) return;
    const { width, height } = session.facts;
    const full = part.map((edge, i) => Math.min(edge * factor, i % 2 ? height : width));
    this.controller = new AbortController();
    const data = await session.crop(fill, full, this.controller.signal);
    if (fill !== editor.fill || session !== editor.session) return;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(data);
    await image.decode();
    Object.assign(image.style, {
      left: `${left}px`, top: `${top}px`,
      width: `${(full[2] - full[0]) / factor}px`, height: `${(full[3] - full[1]) / factor}px`,
    });
    image.hidden = false;
    this.fill = fill;
  }
}
