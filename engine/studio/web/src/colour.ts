/** Colours as people write them. */

/** Red, green and blue, [0, 1]. */
export type Rgb = readonly [number, number, number];

/**
 * A colour as CSS has it, such as `lime` or `#00ff00`, or its hex digits alone.
 * @returns null: it is none, or lets something through
 */
export function opaque(text: string): Rgb | null {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("This browser has no canvas.");
  context.fillStyle = "transparent"; // and stays so where the next is no colour
  context.fillStyle = /^([0-9a-f]{3}){1,2}$/i.test(text) ? `#${text}` : text;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data;
  return alpha === 255 ? [red / 255, green / 255, blue / 255] : null;
}
