// What is painted: one bit for each pixel of the page's photograph, and a canvas that shows it.

const SOLID = 128;

export class Mask {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.color = getComputedStyle(canvas).getPropertyValue("--paint").trim();
    this.paint = pixelOf(this.color);
    this.resize(1, 1);
  }

  resize(width, height) {
    this.width = this.canvas.width = width;
    this.height = this.canvas.height = height;
    this.bits = new Uint8Array(width * height);
    this.count = 0;
    for (const style of ["fillStyle", "strokeStyle"]) this.context[style] = this.color;
    this.context.lineCap = this.context.lineJoin = "round";
  }

  get isEmpty() {
    return this.count === 0;
  }

  // Draws with `draw(context)`; what is drawn is half-transparent at its edges until `commit`.
  draw(erases, draw) {
    this.context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    draw(this.context);
    this.context.globalCompositeOperation = "source-over";
  }

  // Takes over what the canvas shows in a box; returns the change, or null if there is none.
  commit(area) {
    const box = this.clip(area);
    if (!box) return null;
    const { data } = this.context.getImageData(box.left, box.top, box.width, box.height);
    const after = new Uint8Array(box.width * box.height);
    for (let i = 0; i < after.length; i++) after[i] = data[4 * i + 3] >= SOLID ? 1 : 0;
    return this.change(box, after);
  }

  // Sets the bits of a box; returns the change, or null if there is none.
  change(box, after) {
    const before = this.read(box);
    this.set(box, after);
    return before.every((bit, i) => bit === after[i]) ? null : { box, before, after };
  }

  read({ left, top, width, height }) {
    const part = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) {
      const start = (top + y) * this.width + left;
      part.set(this.bits.subarray(start, start + width), y * width);
    }
    return part;
  }

  set(box, values) {
    const { left, top, width, height } = box;
    const pixels = new ImageData(width, height);
    const colors = new Uint32Array(pixels.data.buffer);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = y * width + x;
        const place = (top + y) * this.width + left + x;
        this.count += values[i] - this.bits[place];
        this.bits[place] = values[i];
        if (values[i]) colors[i] = this.paint;
      }
    }
    this.context.putImageData(pixels, left, top);
  }

  clear() {
    const box = this.bounds();
    return box && this.change(box, new Uint8Array(box.width * box.height));
  }

  // Makes what is painted wider, by a disk.
  grow(radius) {
    const inner = this.bounds();
    if (!inner) return null;
    const box = this.clip({
      left: inner.left - radius, top: inner.top - radius,
      width: inner.width + 2 * radius, height: inner.height + 2 * radius,
    });
    const after = this.read(box);
    for (let dy = -radius; dy <= radius; dy++) {
      const reach = Math.floor(Math.sqrt(radius * radius - dy * dy));
      for (let y = 0; y < box.height; y++) {
        const from = box.top + y + dy;
        if (from >= 0 && from < this.height) this.#widenRow(after, box, y, from, reach);
      }
    }
    return this.change(box, after);
  }

  // Marks what is at most `reach` pixels beside a painted pixel of the row `from`.
  #widenRow(after, box, y, from, reach) {
    let until = -1; // the last column that the painted pixels so far reach
    const row = from * this.width;
    const ahead = Math.min(box.left + reach, this.width);
    for (let x = Math.max(box.left - reach, 0); x < ahead; x++) if (this.bits[row + x]) until = x + reach;
    for (let x = 0; x < box.width; x++) {
      const next = box.left + x + reach;
      if (next < this.width && this.bits[row + next]) until = next + reach;
      if (box.left + x <= until) after[y * box.width + x] = 1;
    }
  }

  bounds() {
    if (this.isEmpty) return null;
    let [left, right, top, bottom] = [this.width, -1, -1, -1];
    for (let y = 0; y < this.height; y++) {
      const row = this.bits.subarray(y * this.width, (y + 1) * this.width);
      const first = row.indexOf(1);
      if (first < 0) continue;
      if (top < 0) top = y;
      bottom = y;
      left = Math.min(left, first);
      right = Math.max(right, row.lastIndexOf(1));
    }
    return { left, top, width: right - left + 1, height: bottom - top + 1 };
  }

  clip({ left, top, width, height }) {
    const x = Math.max(Math.floor(left), 0);
    const y = Math.max(Math.floor(top), 0);
    const right = Math.min(Math.ceil(left + width), this.width);
    const bottom = Math.min(Math.ceil(top + height), this.height);
    return right > x && bottom > y ? { left: x, top: y, width: right - x, height: bottom - y } : null;
  }

  // The painted part as a PNG, with its bits and its place; null if nothing is painted.
  async part() {
    const box = this.bounds();
    if (!box) return null;
    const bits = this.read(box);
    const canvas = new OffscreenCanvas(box.width, box.height);
    const pixels = new ImageData(box.width, box.height);
    new Uint32Array(pixels.data.buffer).set(Uint32Array.from(bits, (bit) => -bit));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return { box, bits, blob: await canvas.convertToBlob({ type: "image/png" }) };
  }

  // Replaces what is painted by a picture that is white where it is painted.
  load(picture) {
    const canvas = new OffscreenCanvas(this.width, this.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, this.width, this.height);
    const after = new Uint8Array(this.width * this.height);
    for (let i = 0; i < after.length; i++) after[i] = data[4 * i] >= SOLID ? 1 : 0;
    return this.change({ left: 0, top: 0, width: this.width, height: this.height }, after);
  }
}

// Returns a color such as #ff3d68 as an opaque pixel.
function pixelOf(color) {
  const bytes = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return new Uint32Array(Uint8Array.of(...bytes, 255).buffer)[0];
}
