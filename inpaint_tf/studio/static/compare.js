// Before and after: a divider that is dragged or moved by keys, and a key that is held.

export class Compare {
  isOn = false;
  isHeld = false;
  share = 0.5;

  constructor(view, { divider, before }) {
    Object.assign(this, { view, divider, before });
    view.addEventListener("change", () => this.update());
    divider.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      divider.setPointerCapture(event.pointerId);
      divider.focus();
    });
    divider.addEventListener("pointermove", (event) => {
      event.stopPropagation();
      if (divider.hasPointerCapture(event.pointerId)) this.set(view.place(event).column / view.width);
    });
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.set(this.share + step);
    });
  }

  toggle(on = !this.isOn) {
    this.isOn = on;
    this.update();
  }

  hold(held) {
    this.isHeld = held;
    this.update();
  }

  set(share) {
    this.share = Math.min(Math.max(share, 0), 1);
    this.update();
  }

  update() {
    const { view, divider, before } = this;
    before.hidden = !this.isOn && !this.isHeld;
    divider.hidden = !this.isOn || this.isHeld;
    before.style.clipPath = this.isHeld ? "" : `inset(0 ${100 * (1 - this.share)}% 0 0)`;
    divider.style.transform = `translateX(${view.left + this.share * view.width * view.scale}px)`;
    divider.setAttribute("aria-valuenow", Math.round(100 * this.share));
  }
}
