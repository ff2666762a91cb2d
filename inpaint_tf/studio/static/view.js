// Zoom and place of the photograph on the stage.

const LEAST = 0.02;
const MOST = 32;

export class View extends EventTarget {
  scale = 1;
  left = 0;
  top = 0;
  width = 0;
  height = 0;
  covered = 0; // pixels of the stage, from below

  constructor(stage, layers) {
    super();
    this.stage = stage;
    this.layers = layers;
    new ResizeObserver(() => (this.isFitted ? this.fit() : this.update())).observe(stage);
  }

  show(width, height) {
    Object.assign(this, { width, height });
    Object.assign(this.layers.style, { width: `${width}px`, height: `${height}px` });
    this.fit();
  }

  fit() {
    if (!this.width) return;
    const { clientWidth, clientHeight } = this.stage;
    const narrow = clientWidth <= 620;
    const [sides, above, below] = narrow ? [8, 8, 172] : [72, 20, 84];
    const room = [clientWidth - 2 * sides, clientHeight - above - below - this.covered];
    this.scale = Math.max(Math.min(room[0] / this.width, room[1] / this.height, 4), LEAST);
    this.left = (clientWidth - this.width * this.scale) / 2;
    this.top = above + (room[1] - this.height * this.scale) / 2;
    this.isFitted = true;
    this.update();
  }

  // Keeps the photograph away from what covers the stage from below.
  cover(height) {
    this.covered = height;
    if (this.isFitted) this.fit();
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(Math.max(this.scale * factor, LEAST), MOST);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = false;
    this.update();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.isFitted = false;
    this.update();
  }

  // Returns the place on the stage, and on the photograph, of an event.
  place(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    return { x, y, ...this.toPicture(x, y) };
  }

  toPicture(x, y) {
    return { column: (x - this.left) / this.scale, row: (y - this.top) / this.scale };
  }

  // Returns the part of the photograph that the stage shows: left, top, right, bottom.
  visible() {
    const first = this.toPicture(0, 0);
    const last = this.toPicture(this.stage.clientWidth, this.stage.clientHeight);
    return [
      Math.max(Math.floor(first.column), 0), Math.max(Math.floor(first.row), 0),
      Math.min(Math.ceil(last.column), this.width), Math.min(Math.ceil(last.row), this.height),
    ];
  }

  update() {
    this.layers.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.layers.classList.toggle("pixelated", this.scale >= 3);
    this.dispatchEvent(new Event("change"));
  }
}
