// Puts the parts of the page together.

import { Alternatives } from "./alternatives.js";
import { Compare } from "./compare.js";
import { Editor } from "./editor.js";
import { recall } from "./keep.js";
import { Library } from "./library.js";
import { Mask } from "./mask.js";
import { Refused, connection, json } from "./server.js";
import { Sharp } from "./sharp.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

const GROWTH = 4; // pixels

const $ = (id) => document.getElementById(id);
const mask = new Mask($("mask"));
const view = new View($("stage"), $("layers"));
const editor = new Editor(mask, { photo: $("photo"), before: $("before") }, () => tools.idle());
const tools = new Tools(view, mask, {
  cursor: $("cursor"),
  outline: $("outline").firstElementChild,
  change: painted,
});
const compare = new Compare(view, { divider: $("divider"), before: $("before") });
const library = new Library({ list: $("photographs"), count: $("count"), undone: $("undone") });
const alternatives = new Alternatives(editor, view, { strip: $("strip"), cards: $("cards"), report: complain });
new Sharp(view, editor, $("sharp"));

let models = [];
let saved = ""; // name under which this photograph was saved

// ------------------------------------------------------------------------------------ messages

let toastTimer;

function say(text, bad = false) {
  $("toast").textContent = text;
  $("toast").classList.toggle("bad", bad);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").textContent = ""), bad ? 9000 : 4000);
}

function complain(text) {
  say(text, true);
}

// Runs what a button asks for; what goes wrong is one line.
async function act(work) {
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  }
}

connection.addEventListener("gone", () => {
  $("offline").textContent = "The studio does not answer. Your mask is kept, and it goes on when the studio is back.";
  $("offline").hidden = false;
});
connection.addEventListener("back", () => {
  $("offline").hidden = true;
  say("The studio is back");
  act(start);
});

// ------------------------------------------------------------------------------------- opening

function open(source) {
  return act(async () => {
    say("Opening…");
    await editor.open(source);
    say(editor.session.facts.note);
  });
}

function openFiles(files) {
  const [file] = files;
  if (file) open({ name: file.name || "pasted.png", blob: file });
}

editor.addEventListener("open", () => {
  const { name, path, width, height } = editor.session.facts;
  $("name").textContent = name;
  $("size").textContent = `${width} × ${height}`;
  document.title = `${name} – studio`;
  for (const id of ["layers", "tools", "dock"]) $(id).hidden = false;
  $("empty").hidden = true;
  saved = "";
  alternatives.close();
  compare.toggle(false);
  hideAttention();
  library.select(path);
  tools.enabled = true;
  view.show(mask.width, mask.height);
  tools.resize(Math.max(Math.round(Math.min(mask.width, mask.height) / 12), 8));
  update();
  if (innerWidth <= 620) showLibrary(false);
  $("stage").focus({ preventScroll: true });
});

for (const id of ["open", "open-here"]) $(id).addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  openFiles($("file").files);
  $("file").value = "";
});
addEventListener("paste", (event) => openFiles(event.clipboardData.files));

let drags = 0;
addEventListener("dragenter", (event) => {
  event.preventDefault();
  drags++;
  $("drop").hidden = false;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => --drags <= 0 && endDrag());
addEventListener("drop", (event) => {
  event.preventDefault();
  endDrag();
  openFiles(event.dataTransfer.files);
});

function endDrag() {
  drags = 0;
  $("drop").hidden = true;
}

library.addEventListener("open", ({ detail }) => open({ path: detail }));
$("show-folder").addEventListener("click", () => showLibrary($("library").hidden));

function showLibrary(shown) {
  $("library").hidden = !shown;
  $("show-folder").setAttribute("aria-expanded", shown);
}

// ------------------------------------------------------------------------- painting and filling

function painted(change) {
  alternatives.close();
  editor.painted(change);
  if ($("auto").checked) fill();
}

async function fill() {
  alternatives.close();
  await act(async () => {
    while ((await editor.run()) && $("auto").checked);
  });
}

function readOptions() {
  const known = { model: $("model").value, detail: $("detail").value, blend: $("blend").checked ? "on" : "off" };
  editor.options = known;
  $("summary").textContent = models.find(({ name }) => name === known.model)?.summary ?? "";
  localStorage.setItem("auto", $("auto").checked);
}

for (const id of ["model", "detail", "blend", "auto"]) $(id).addEventListener("change", readOptions);
$("fill").addEventListener("click", () => (editor.running ? editor.cancel() : fill()));
$("undo").addEventListener("click", () => editor.undo());
$("redo").addEventListener("click", () => editor.redo());
$("clear").addEventListener("click", () => editor.painted(mask.clear()));
$("grow").addEventListener("click", () => editor.painted(mask.grow(GROWTH)));
$("alternatives").addEventListener("click", showAlternatives);
$("close-strip").addEventListener("click", () => alternatives.close());

function showAlternatives() {
  if (alternatives.isOpen) alternatives.close();
  else if (alternatives.isPossible) act(() => alternatives.open(models));
}

$("brush-size").addEventListener("input", () => tools.resize(toSize($("brush-size").value)));
for (const button of document.querySelectorAll(".tools [data-tool]"))
  button.addEventListener("click", () => tools.choose(button.dataset.tool));
$("fit").addEventListener("click", () => view.fit());

// The slider is finer for small brushes.
const toSize = (value) => (value / 400) ** 2 * 400 + 1;
const toValue = (size) => 400 * Math.sqrt(Math.max(size - 1, 0) / 400);

tools.addEventListener("change", () => {
  $("brush-size").value = toValue(tools.size);
  $("brush-size").setAttribute("aria-valuetext", `${Math.round(tools.size)} pixels`);
  for (const button of document.querySelectorAll(".tools [data-tool]"))
    button.setAttribute("aria-pressed", button.dataset.tool === tools.tool);
});
view.addEventListener("change", () => {
  const factor = editor.session?.facts.factor ?? 1;
  $("zoom").textContent = `${Math.round((100 * view.scale) / factor)} %`;
});

// -------------------------------------------------------------------------------------- state

function update() {
  const has = Boolean(editor.session);
  const filled = Boolean(editor.fill);
  $("undo").disabled = !editor.history.past.length && !editor.running;
  $("redo").disabled = !editor.history.future.length || Boolean(editor.running);
  $("compare").disabled = !filled;
  $("attention").disabled = !filled;
  $("save").disabled = !filled;
  $("download").disabled = $("copy").disabled = !filled;
  $("load-mask").disabled = !has;
  $("grow").disabled = $("clear").disabled = mask.isEmpty;
  $("save-mask").disabled = mask.isEmpty && !filled;
  $("alternatives").disabled = !alternatives.isPossible;
  if (!filled) compare.toggle(false);
  $("compare").setAttribute("aria-pressed", compare.isOn);
}

function showProgress() {
  const { running } = editor;
  const percent = Math.round(100 * (running?.share ?? 0));
  $("fill").disabled = !running && mask.isEmpty;
  $("fill").textContent = !running ? "Fill" : percent ? `Cancel · ${percent} %` : "Cancel";
  $("fill").title = running ? "Cancel (Escape)" : "Fill (Enter)";
  $("progress").hidden = !running;
  if (percent) $("progress").setAttribute("aria-valuenow", percent);
  else $("progress").removeAttribute("aria-valuenow");
  $("progress").firstElementChild.style.width = percent ? `${percent}%` : "";
  if (running?.state === "loading") say("The model is being loaded…");
  else if ($("toast").textContent === "The model is being loaded…") say("");
  document.body.dataset.state = running?.state ?? "idle";
}

editor.addEventListener("change", update);
editor.addEventListener("progress", showProgress);

// -------------------------------------------------------------------------------------- seeing

$("compare").addEventListener("click", () => {
  compare.toggle();
  update();
});

let attentionOf = null;
let attentionWanted = null;

function hideAttention() {
  attentionWanted?.abort();
  attentionWanted = attentionOf = null;
  $("attention-map").hidden = true;
  $("attention").setAttribute("aria-pressed", "false");
}

async function toggleAttention() {
  if (attentionOf || attentionWanted) return hideAttention();
  const { fill: shown, session } = editor;
  if (!shown) return;
  attentionWanted = new AbortController();
  $("attention").setAttribute("aria-pressed", "true");
  await act(async () => {
    try {
      say("Looking up where the content came from…");
      const picture = await session.attention(shown, attentionWanted.signal);
      if (editor.fill !== shown) return hideAttention();
      const canvas = $("attention-map");
      Object.assign(canvas, { width: mask.width, height: mask.height });
      canvas.getContext("2d").drawImage(picture, shown.area[0], shown.area[1]);
      canvas.hidden = false;
      attentionOf = shown;
      say("The hue is the direction in which content was found: yellow right, red down, violet left, blue up");
    } catch (error) {
      hideAttention();
      throw error;
    }
  });
}

$("attention").addEventListener("click", toggleAttention);
editor.addEventListener("change", () => attentionOf && attentionOf !== editor.fill && hideAttention());

// -------------------------------------------------------------------------------------- saving

async function save(name, overwrites) {
  const { session, fill: shown } = editor;
  const result = await session.save(shown, name, overwrites);
  saved = result.name;
  library.done(session.facts.path);
  say(`Saved as ${result.name}${result.note ? `; ${result.note}` : ""}`);
}

function saveAtOnce() {
  if (!editor.fill) return;
  if (!editor.session.facts.path) act(download);
  else act(() => save(saved || undefined, Boolean(saved)));
}

$("save").addEventListener("click", () => {
  const { path, proposed } = editor.session.facts;
  if (!path) return act(download);
  $("save-name").value = saved || proposed;
  $("save-error").textContent = "";
  $("save-now").textContent = "Save";
  $("save-dialog").showModal();
  $("save-name").focus();
  const dot = $("save-name").value.lastIndexOf(".");
  $("save-name").setSelectionRange(0, dot);
});
$("save-name").addEventListener("input", () => ($("save-now").textContent = "Save"));
$("save-cancel").addEventListener("click", () => $("save-dialog").close());
$("save-now").addEventListener("click", async (event) => {
  event.preventDefault();
  if (!$("save-name").reportValidity()) return;
  const name = $("save-name").value;
  const agreed = name === saved || $("save-now").textContent === "Replace";
  try {
    await save(name, agreed);
    $("save-dialog").close();
  } catch (error) {
    const exists = error instanceof Refused && error.status === 409;
    $("save-error").textContent = exists ? `${error.message}. Replace it?` : error.message;
    if (exists) $("save-now").textContent = "Replace";
  }
});

function offer(data, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function download() {
  const { session, fill: shown } = editor;
  offer(await session.file(shown), session.facts.filledName);
}

async function copy() {
  const { session, fill: shown } = editor;
  if (!navigator.clipboard?.write) throw new Error("This browser lets a page copy only from localhost or over https");
  const item = new ClipboardItem({ "image/png": session.file(shown, "png") });
  await navigator.clipboard.write([item]);
  say("Copied");
}

function stem(name) {
  return name.replace(/\.\w+$/, "");
}

const menu = {
  download: () => act(download),
  copy: () => act(copy),
  "load-mask": () => $("mask-file").click(),
  "save-mask": () => act(async () => {
    const part = mask.isEmpty ? editor.fill.part : await mask.part();
    const data = await editor.session.fileOfMask(part);
    offer(data, `${stem(editor.session.facts.name)}-mask.png`);
  }),
  "show-keys": () => $("keys-dialog").showModal(),
};
for (const [id, work] of Object.entries(menu)) {
  $(id).addEventListener("click", () => {
    $("menu").hidePopover();
    $("stage").focus({ preventScroll: true });
    work();
  });
}
$("mask-file").addEventListener("change", () => {
  const [file] = $("mask-file").files;
  if (file) act(async () => editor.painted(mask.load(await editor.session.maskOfFile(file))));
  $("mask-file").value = "";
});

// ---------------------------------------------------------------------------------------- keys

const keys = {
  b: () => tools.choose("brush"),
  e: () => tools.choose("eraser"),
  r: () => tools.choose("rectangle"),
  l: () => tools.choose("lasso"),
  h: () => tools.choose("hand"),
  "[": () => tools.step(-1),
  "]": () => tools.step(1),
  g: () => $("grow").click(),
  c: () => $("compare").click(),
  a: () => $("attention").click(),
  v: () => $("alternatives").click(),
  d: () => tools.dab(),
  "+": () => view.zoom(1.25),
  "=": () => view.zoom(1.25),
  "-": () => view.zoom(0.8),
  0: () => view.fit(),
  "?": () => $("keys-dialog").showModal(),
  delete: () => $("clear").click(),
  backspace: () => $("clear").click(),
  enter: () => fill(),
  escape: () => {
    if (tools.stroke) tools.cancel();
    else if (editor.running) editor.cancel();
    else alternatives.close();
  },
  arrowleft: () => tools.nudge(-1, 0),
  arrowright: () => tools.nudge(1, 0),
  arrowup: () => tools.nudge(0, -1),
  arrowdown: () => tools.nudge(0, 1),
};
const withControl = {
  z: (event) => (tools.stroke ? tools.cancel() : event.shiftKey ? editor.redo() : editor.undo()),
  y: () => tools.stroke || editor.redo(),
  s: () => saveAtOnce(),
  o: () => $("file").click(),
};
const OF_CONTROLS = new Set(["enter", " ", "arrowleft", "arrowright", "arrowup", "arrowdown", "backspace", "delete"]);

addEventListener("keydown", (event) => {
  const { target } = event;
  const key = event.key.toLowerCase();
  if (key === "escape" && document.querySelector(":popover-open")) return;
  if (target.matches("input:not([type=range], [type=checkbox]), select") || document.querySelector("dialog[open]")) return;
  const control = event.ctrlKey || event.metaKey;
  const onControl = target.matches("button, input, a") && OF_CONTROLS.has(key);
  const work = control ? withControl[key] : keys[key];
  if (!control && key === "\\" && editor.fill) compare.hold(true);
  else if (!control && key === " " && !onControl) {
    tools.space = true;
    tools.choose(tools.tool);
  } else if (!work || onControl || event.altKey) return;
  else work(event);
  event.preventDefault();
});
addEventListener("keyup", (event) => {
  if (event.key === "\\") compare.hold(false);
  if (event.key === " ") {
    tools.space = false;
    tools.choose(tools.tool);
  }
});
addEventListener("blur", () => {
  compare.hold(false);
  tools.space = false;
});

// After a click the keys are for the photograph again, not for the button.
addEventListener("click", ({ detail, target }) => {
  const button = target.closest(".tools button, .dock button, .bar .group button");
  if (detail && button && !button.popoverTargetElement) $("stage").focus({ preventScroll: true });
});

// Popovers open above or below their button, inside of the window.
for (const popover of document.querySelectorAll("[popover]")) {
  const button = document.querySelector(`[popovertarget="${popover.id}"]`);
  popover.addEventListener("toggle", () => {
    const place = button.getBoundingClientRect();
    const { width, height } = popover.getBoundingClientRect();
    const below = place.bottom + 8 + height < innerHeight;
    popover.style.left = `${Math.max(Math.min(place.right - width, innerWidth - width - 8), 8)}px`;
    popover.style.top = `${below ? place.bottom + 8 : Math.max(place.top - 8 - height, 8)}px`;
  });
}

// --------------------------------------------------------------------------------------- start

let boot = "";

async function start() {
  const state = await json("/studio/state");
  if (state.error) complain(state.error);
  if (state.boot === boot) return;
  const first = !boot;
  boot = state.boot;
  const chosen = $("model").value || state.default;
  models = state.models;
  $("model").replaceChildren(...models.map(({ name, title }) => new Option(title, name)));
  $("model").value = models.some(({ name }) => name === chosen) ? chosen : state.default;
  readOptions();
  $("show-folder").hidden = !state.folder;
  if (state.folder) {
    $("folder-name").textContent = state.folder;
    if (first) showLibrary(true);
    await library.load();
  }
  if (!first) return;
  const before = await recall();
  if (before) await act(() => editor.resume(before));
  else if (state.single) await open({ path: state.single });
}

$("auto").checked = localStorage.getItem("auto") !== "false";
tools.choose("brush");
showProgress();
act(start);
