/** The last minute, drawn on a canvas. */

import { WINDOW_MS } from "./meter";
import type { Sample } from "./latency";

const TOP_STEP_MS = 100;
const PAD = { left: 34, right: 6, top: 8, bottom: 16 };

/** Draw every picture's latency as a dot, and the middle of each second as a line. */
export function plot(canvas: HTMLCanvasElement, samples: readonly Sample[], now: number): void {
  const context = canvas.getContext("2d");
  const { width, height } = canvas.getBoundingClientRect();
  if (context === null || width === 0) return;
  const sharp = devicePixelRatio;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  context.scale(sharp, sharp);
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();

  const highest = samples.reduce((most, { total_ms }) => Math.max(most, total_ms), 0);
  const top = Math.max(Math.ceil((highest * 1.05) / TOP_STEP_MS), 2) * TOP_STEP_MS;
  const x = (at: number): number =>
    PAD.left + (1 - (now - at) / WINDOW_MS) * (width - PAD.left - PAD.right);
  const y = (ms: number): number => PAD.top + (1 - ms / top) * (height - PAD.top - PAD.bottom);

  context.font = `10px ${style.fontFamily}`;
  context.fillStyle = colour("--quiet");
  context.strokeStyle = colour("--line");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const ms of [0, top / 2, top]) {
    context.fillText(String(ms), PAD.left - 6, y(ms));
    context.beginPath();
    context.moveTo(PAD.left, Math.round(y(ms)) + 0.5);
    context.lineTo(width - PAD.right, Math.round(y(ms)) + 0.5);
    context.stroke();
  }
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.fillText("−60 s", PAD.left, height - 3);
  context.textAlign = "right";
  context.fillText("now", width - PAD.right, height - 3);

  context.fillStyle = colour("--dot");
  for (const { at, total_ms } of samples) context.fillRect(x(at) - 0.75, y(total_ms) - 0.75, 1.5, 1.5);

  context.strokeStyle = colour("--accent");
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  context.beginPath();
  let before: number | null = null;
  for (const [second, middle] of middles(samples)) {
    const at = (second + 0.5) * 1000;
    // A gap stays a gap.
    if (before === null || second - before > 1) context.moveTo(x(at), y(middle));
    else context.lineTo(x(at), y(middle));
    before = second;
  }
  context.stroke();
}

/** The median of each whole second, in order. */
function middles(samples: readonly Sample[]): [number, number][] {
  const seconds = new Map<number, number[]>();
  for (const { at, total_ms } of samples) {
    const second = Math.floor(at / 1000);
    const others = seconds.get(second);
    if (others) others.push(total_ms);
    else seconds.set(second, [total_ms]);
  }
  return [...seconds]
    .sort(([one], [two]) => one - two)
    .map(([second, values]) => {
      values.sort((one, two) => one - two);
      return [second, values[values.length >> 1] as number];
    });
}
