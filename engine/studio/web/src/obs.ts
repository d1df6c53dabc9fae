/**
 * The page for OBS: the character, and nothing else, for ever.
 *
 * /obs                     whoever performs
 * /obs?session=NAME        one performer
 * /obs?chroma=00ff00       over one colour, where transparency is of no use
 */

import { Api } from "./api";
import { $ } from "./dom";
import { isOver, type Line, watch } from "./line";
import { Composer } from "./packed";

const WHOEVER = "first";
const STALL_MS = 4000;
const FIRST_PICTURE_MS = 10_000;
const WAIT_MS = [500, 1000, 2000, 3000];

const query = new URLSearchParams(location.search);
const video = document.createElement("video");
const api = new Api();
const canvas = $<HTMLCanvasElement>("character");
let composer = new Composer(canvas, ground(query.get("chroma")));
let drawn = 0; // pictures
let latest = performance.now();

function ground(chroma: string | null): [number, number, number] | null {
  if (chroma === null) return null;
  const [, red, green, blue] = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(chroma) ?? [];
  const part = (text: string | undefined): number => parseInt(text ?? "0", 16) / 255;
  const colour: [number, number, number] = [part(red), part(green), part(blue)];
  document.body.style.background = `rgb(${colour.map((value) => value * 255).join(" ")})`;
  return colour;
}

function draw(): void {
  composer.draw(video);
  drawn += 1;
  latest = performance.now();
  video.requestVideoFrameCallback(draw);
}

/** Watch until the line is of no use any more. */
async function show(): Promise<void> {
  const { iceServers } = await api.config();
  const { signal } = new AbortController();
  const line: Line = await watch(api, query.get("session") ?? WHOEVER, "?packed-alpha=1", {
    iceServers,
    signal,
  });
  try {
    video.srcObject = line.received;
    // Autoplay waits until a video is seen, and this one never is.
    video.play().catch(() => {});
    const before = drawn;
    latest = performance.now();
    for (;;) {
      await sleep(250);
      const patience = drawn === before ? FIRST_PICTURE_MS : STALL_MS;
      if (performance.now() - latest > patience) return;
      if (isOver(line.connection)) return;
    }
  } finally {
    line.close();
    video.srcObject = null;
  }
}

async function forever(): Promise<never> {
  for (let attempt = 0; ; attempt++) {
    const before = drawn;
    try {
      await show();
    } catch {
      // No performer yet, or no server: there will be one.
    }
    canvas.getContext("webgl")?.clear(WebGLRenderingContext.COLOR_BUFFER_BIT); // no frozen ghost
    if (drawn > before) attempt = 0;
    await sleep(WAIT_MS[Math.min(attempt, WAIT_MS.length - 1)] as number);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
canvas.addEventListener("webglcontextrestored", () => {
  composer = new Composer(canvas, ground(query.get("chroma")));
});
video.muted = true;
video.requestVideoFrameCallback(draw);
void forever();
