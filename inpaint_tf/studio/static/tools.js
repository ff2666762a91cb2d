// Brush, eraser, rectangle, lasso and hand: with a mouse, a pen, fingers or the arrow keys.

const STEPS = 1.15;

export class Tools extends EventTarget {
  tool = "brush";
  size = 48;
  space = false;
  enabled = false;

  // `change` gets what a tool has changed in the mask.
  constructor(view, mask, { cursor, outline, change }) {
    super();
    Object.assign(this, { view, mask, cursor, outline, change });
    this.pointers = new Map();
    this.at = null;
    const { stage } = view;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"])
      stage.addEventListener(end, (event) => this.#up(event));
    stage.addEventListener("pointerleave", () => !this.stroke && this.#hide());
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    view.addEventListener("change", () => this.#show());
  }

  choose(tool) {
    this.tool = this.view.stage.dataset.tool = tool;
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  // Sets the size of the brush in pixels of the photograph.
  resize(size) {
    this.size = Math.min(Math.max(size, 1), 1000);
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  step(direction) {
    this.resize(direction > 0 ? Math.max(this.size * STEPS, this.size + 1) : Math.min(this.size / STEPS, this.size - 1));
  }

  // Moves the brush by keys.
  nudge(dx, dy) {
    const { stage, scale } = this.view;
    const step = Math.max((this.size * scale) / 4, 4);
    this.at ??= { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
    this.at = {
      x: Math.min(Math.max(this.at.x + dx * step, 0), stage.clientWidth),
      y: Math.min(Math.max(this.at.y + dy * step, 0), stage.clientHeight),
    };
    this.#show();
  }

  dab() {
    if (!this.enabled || !this.at) return;
    const place = this.view.toPicture(this.at.x, this.at.y);
    this.#begin(place, this.tool === "eraser");
    this.#finish();
  }

  // Resolves when nothing is being drawn.
  async idle() {
    while (this.stroke) await new Promise((resolve) => this.addEventListener("end", resolve, { once: true }));
  }

  cancel() {
    if (!this.stroke) return;
    const { box } = this.stroke;
    this.stroke = null;
    this.outline.setAttribute("d", "");
    const clipped = box && this.mask.clip(box);
    if (clipped) this.mask.set(clipped, this.mask.read(clipped));
    this.dispatchEvent(new Event("end"));
  }

  get #isBrush() {
    return this.tool === "brush" || this.tool === "eraser";
  }

  #down(event) {
    if (!this.enabled || event.button > 1) return;
    this.view.stage.setPointerCapture(event.pointerId);
    const place = this.view.place(event);
    this.pointers.set(event.pointerId, place);
    if (this.pointers.size === 2) {
      this.cancel();
      return;
    }
    if (this.pointers.size > 2) return;
    event.preventDefault();
    this.view.stage.focus({ preventScroll: true });
    this.at = place;
    if (this.space || this.tool === "hand" || event.button === 1) {
      this.moving = true;
      this.view.stage.classList.add("moving");
    } else {
      this.#begin(place, this.tool === "eraser" || (!this.#isBrush && event.altKey));
    }
  }

  #move(event) {
    const place = this.view.place(event);
    const before = this.pointers.get(event.pointerId);
    this.at = place;
    if (this.pointers.size === 2 && before) {
      this.#pinch(event.pointerId, before, place);
    } else if (this.moving && before) {
      this.view.move(place.x - before.x, place.y - before.y);
    } else if (this.stroke && before) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.#go(this.view.place(each));
    }
    if (before) this.pointers.set(event.pointerId, place);
    if (event.pointerType === "touch") this.#hide();
    else this.#show();
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.moving = false;
    this.view.stage.classList.remove("moving");
    if (event.type === "pointercancel") this.cancel();
    else if (this.stroke) this.#finish();
  }

  #pinch(id, before, place) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, each]) => each);
    const distance = (each) => Math.hypot(each.x - other.x, each.y - other.y);
    this.view.zoom(distance(place) / Math.max(distance(before), 1), (place.x + other.x) / 2, (place.y + other.y) / 2);
    this.view.move((place.x - before.x) / 2, (place.y - before.y) / 2);
  }

  #wheel(event) {
    if (!this.enabled) return;
    event.preventDefault();
    const { x, y } = this.view.place(event);
    if (event.ctrlKey || event.metaKey) this.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), x, y);
    else if (event.shiftKey || !this.#isBrush) this.view.move(-event.deltaX, -event.deltaY);
    else this.resize(this.size * STEPS ** (-event.deltaY / (event.deltaMode ? 3 : 100)));
  }

  #begin(place, erases) {
    this.stroke = { erases, points: [place], box: null };
    if (this.#isBrush) this.#line(place, place);
  }

  #go(place) {
    const { points } = this.stroke;
    if (this.#isBrush) this.#line(points.at(-1), place);
    points.push(place);
    if (this.tool === "rectangle") points.splice(1, points.length - 2);
    if (!this.#isBrush) this.outline.setAttribute("d", pathOf(this.#corners()));
  }

  #line(from, to) {
    const radius = this.size / 2;
    this.mask.draw(this.stroke.erases, (context) => {
      context.lineWidth = this.size;
      context.beginPath();
      context.moveTo(from.column, from.row);
      context.lineTo(to.column, to.row + (from === to ? 0.001 : 0));
      context.stroke();
    });
    this.#cover(from, radius);
    this.#cover(to, radius);
  }

  #cover({ column, row }, radius) {
    const { box } = this.stroke;
    const left = Math.min(box?.left ?? Infinity, column - radius - 1);
    const top = Math.min(box?.top ?? Infinity, row - radius - 1);
    const right = Math.max(box ? box.left + box.width : -Infinity, column + radius + 1);
    const bottom = Math.max(box ? box.top + box.height : -Infinity, row + radius + 1);
    this.stroke.box = { left, top, width: right - left, height: bottom - top };
  }

  #corners() {
    const { points } = this.stroke;
    if (this.tool === "lasso") return points;
    const [first, last] = [points[0], points.at(-1)];
    return [first, { column: last.column, row: first.row }, last, { column: first.column, row: last.row }];
  }

  #finish() {
    if (!this.#isBrush && this.stroke.points.length > 1) {
      const path = new Path2D(pathOf(this.#corners()));
      this.mask.draw(this.stroke.erases, (context) => context.fill(path));
      for (const point of this.#corners()) this.#cover(point, 0);
    }
    const { box } = this.stroke;
    this.stroke = null;
    this.outline.setAttribute("d", "");
    const change = box && this.mask.commit(box);
    if (change) this.change(change);
    this.dispatchEvent(new Event("end"));
  }

  #show() {
    const shown = this.at && this.enabled && this.#isBrush && !this.space && !this.moving;
    this.cursor.hidden = !shown;
    if (!shown) return;
    const diameter = Math.max(this.size * this.view.scale, 3);
    const style = `translate(${this.at.x - diameter / 2}px, ${this.at.y - diameter / 2}px)`;
    Object.assign(this.cursor.style, { width: `${diameter}px`, height: `${diameter}px`, transform: style });
  }

  #hide() {
    this.at = null;
    this.cursor.hidden = true;
  }
}

function pathOf(points) {
  return `M${points.map(({ column, row }) => `${column.toFixed(2)} ${row.toFixed(2)}`).join("L")}Z`;
}
