"use strict";
// Joints over a drawing, in the drawing's own pixels. The page knows nothing else.

const svg = document.getElementById("drawing");
const status = document.getElementById("status");
const button = (id) => document.getElementById(id);
const NS = "http://www.w3.org/2000/svg";

let figure = null; // {size, names, bones, joints: [[x, y, score], ...]}
let unit = 1; // pixels of the drawing in one of the screen
const moved = new Set(); // names that the user placed: "find" leaves them
const past = [];
const shapes = {};

const side = (name) => (name.startsWith("r_") ? "right" : name.startsWith("l_") ? "left" : "");
const spoken = (name) => name.replace("r_", "right ").replace("l_", "left ");

function shape(kind, attributes, parent = svg) {
  const made = document.createElementNS(NS, kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return parent.appendChild(made);
}

function build() {
  svg.replaceChildren();
  const [width, height] = figure.size;
  const room = 0.06 * Math.max(width, height);
  const lowest = Math.max(height, ...figure.joints.map((joint) => joint[1]));
  const box = [-room, -room, width + 2 * room, lowest + 2 * room];
  svg.setAttribute("viewBox", box.join(" "));
  const screen = svg.getBoundingClientRect();
  unit = Math.max(box[2] / screen.width, box[3] / screen.height);
  shape("image", { href: "picture.png", width, height });
  shapes.bones = figure.bones.map(([a, b]) =>
    shape("line", { class: `bone ${side(figure.names[b])}`, "stroke-width": 4 * unit }));
  shapes.joints = figure.names.map((name, index) => {
    const dot = shape("circle", {
      class: `joint ${side(name)}`, r: 7 * unit, "stroke-width": 2.5 * unit,
      tabindex: 0, role: "button", "aria-label": spoken(name), id: `joint-${name}`,
    });
    dot.addEventListener("pointerdown", (event) => grab(event, index));
    dot.addEventListener("keydown", (event) => nudge(event, index));
    dot.addEventListener("pointerenter", () => label(index));
    dot.addEventListener("focus", () => label(index));
    return dot;
  });
  shapes.name = shape("text", { class: "name", "font-size": 14 * unit, "stroke-width": 4 * unit });
  draw();
}

function draw() {
  figure.bones.forEach(([a, b], index) => {
    const [from, to] = [figure.joints[a], figure.joints[b]];
    const line = shapes.bones[index];
    line.setAttribute("x1", from[0]); line.setAttribute("y1", from[1]);
    line.setAttribute("x2", to[0]); line.setAttribute("y2", to[1]);
  });
  figure.joints.forEach(([x, y, score], index) => {
    const dot = shapes.joints[index];
    dot.setAttribute("cx", x); dot.setAttribute("cy", y);
    dot.classList.toggle("doubt", score < figure.doubt);
  });
  button("undo").disabled = past.length === 0;
}

function label(index) {
  const [x, y] = figure.joints[index];
  shapes.name.textContent = spoken(figure.names[index]);
  shapes.name.setAttribute("x", x + 11 * unit);
  shapes.name.setAttribute("y", y - 9 * unit);
}

function remember() {
  past.push([JSON.stringify(figure.joints), [...moved]]);
}

function put(index, x, y) {
  figure.joints[index] = [x, y, 1];
  moved.add(figure.names[index]);
  draw();
  label(index);
}

function grab(event, index) {
  event.preventDefault();
  const dot = shapes.joints[index];
  dot.focus();
  dot.setPointerCapture(event.pointerId);
  dot.classList.add("held");
  remember();
  const move = (to) => {
    const at = new DOMPoint(to.clientX, to.clientY).matrixTransform(svg.getScreenCTM().inverse());
    put(index, at.x, at.y);
  };
  const drop = () => {
    dot.classList.remove("held");
    dot.removeEventListener("pointermove", move);
  };
  dot.addEventListener("pointermove", move);
  dot.addEventListener("pointerup", drop, { once: true });
  dot.addEventListener("pointercancel", drop, { once: true });
}

function nudge(event, index) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  remember();
  const far = event.shiftKey ? 10 : 1;
  const [x, y] = figure.joints[index];
  put(index, x + far * step[0], y + far * step[1]);
}

function undo() {
  if (!past.length) return;
  const [joints, names] = past.pop();
  figure.joints = JSON.parse(joints);
  moved.clear();
  names.forEach((name) => moved.add(name));
  draw();
}

function swap() {
  remember();
  const of = Object.fromEntries(figure.names.map((name, index) => [name, index]));
  const before = figure.joints.slice();
  const held = new Set(moved);
  moved.clear();
  figure.names.forEach((name, index) => {
    const other = name.startsWith("r_") ? `l_${name.slice(2)}` : name.startsWith("l_") ? `r_${name.slice(2)}` : name;
    figure.joints[index] = before[of[other]];
    if (held.has(other)) moved.add(name);
  });
  draw();
}

async function send(path, names) {
  const joints = {};
  figure.names.forEach((name, index) => {
    if (names.has(name)) joints[name] = figure.joints[index].slice(0, 2);
  });
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ joints }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function busy(text, work) {
  document.querySelectorAll("button").forEach((one) => (one.disabled = true));
  status.textContent = text;
  let done = false;
  try {
    done = await work();
  } catch (error) {
    status.textContent = error.message;
  }
  if (!done) document.querySelectorAll("button").forEach((one) => (one.disabled = false));
  if (!done) draw();
}

button("undo").onclick = undo;
button("swap").onclick = swap;
button("find").onclick = () => busy("Looking again…", async () => {
  remember();
  figure = await send("find", moved);
  build();
  status.textContent = "Found again; what you placed stayed.";
  return false;
});
button("save").onclick = () => busy("Saving…", async () => {
  await send("save", new Set(figure.names));
  status.textContent = "Saved. You can close this page; the character is being made.";
  document.body.dataset.state = "saved";
  return true;
});
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); undo(); }
});
addEventListener("resize", () => figure && build());

fetch("figure").then((answer) => answer.json()).then((found) => {
  figure = found;
  build();
  status.textContent = `${figure.picture}: check the joints, then save.`;
  document.body.dataset.state = "ready";
}).catch((error) => { status.textContent = error.message; });
