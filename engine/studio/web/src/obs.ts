/**
 * The page for OBS: the character, and nothing else, for ever.
 *
 * /obs                     whoever performs
 * /obs?session=NAME        one performer
 * /obs?chroma=00ff00       over one colour, where transparency is of no use; or a name: chroma=lime
 */

import { Api, Refused } from "./api";
import { opaque, type Rgb } from "./colour";
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
let composer: Composer;
let drawn = 0; // pictures
let latest = performance.now();

/**
 * What the address asks for behind the character; null: nothing.
 * @throws Error in words for whoever wrote the address
 */
function ground(): Rgb | null {
  const chroma = query.get("chroma");
  if (chroma === null) return null;
  const colour = opaque(chroma);
  if (colour !== null) return colour;
  throw new Error(
    `chroma=${chroma} is no colour. Expected six digits, as in chroma=00ff00, or a name, as in ` +
      "chroma=lime; without a #, which would end the address.",
  );
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
  complain("");
  try {
    video.srcObject = line.received;
    // Autoplay waits until a video is seen, and this one never is.
    video.play().catch(() => {});
    const before = drawn;
    latest = performance.now();
    for (;;) {
      await sleep(250);
      if (document.hidden) latest = performance.now(); // a scene that is not on: nothing is drawn
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
    } catch (error) {
      // No performer yet, or no server: there will be one. Only a person can bring the token.
      const refused = error instanceof Refused && error.status === 401;
      complain(refused ? "The server wants its token: copy the address from the studio’s tab Devices again." : "");
    }
    canvas.getContext("webgl")?.clear(WebGLRenderingContext.COLOR_BUFFER_BIT); // no frozen ghost
    if (drawn > before) attempt = 0;
    await sleep(WAIT_MS[Math.min(attempt, WAIT_MS.length - 1)] as number);
  }
}

/** For whoever sets it up: there is nothing on this page but the character else. */
function complain(text: string): void {
  $("wrong").textContent = text;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function begin(): void {
  const behind = ground();
  composer = new Composer(canvas, behind);
  if (behind) document.body.style.background = `rgb(${behind.map((part) => part * 255).join(" ")})`;
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    composer = new Composer(canvas, behind);
  });
  video.muted = true;
  video.requestVideoFrameCallback(draw);
  void forever();
}

try {
  begin();
} catch (error) {
  complain((error as Error).message);
}
