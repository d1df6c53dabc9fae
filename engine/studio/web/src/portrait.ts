/** A character's picture, without the empty space around, and where a puppeteer would tie strings. */

import { h } from "./dom";

type Point = readonly [x: number, y: number];

export interface Portrait {
  address: string;
  /** Of the trimmed picture; pixels. */
  width: number;
  height: number;
  /** The outermost points, as shares of width and height. */
  top: Point;
  left: Point;
  right: Point;
}

const OPAQUE = 128;

/** @throws Error the picture cannot be read, or nothing is in it */
export async function portray(picture: Blob): Promise<Portrait> {
  const bitmap = await createImageBitmap(picture);
  const canvas = h("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  const { box, top, left, right } = outline(data, canvas.width, canvas.height);
  const [x, y, width, height] = box;
  const inked = context.getImageData(x, y, width, height);
  [canvas.width, canvas.height] = [width, height];
  context.putImageData(inked, 0, 0);
  const trimmed = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (trimmed === null) throw new Error("no PNG");
  const share = ([px, py]: Point): Point => [(px - x) / width, (py - y) / height];
  return {
    address: URL.createObjectURL(trimmed),
    width,
    height,
    top: share(top),
    left: share(left),
    right: share(right),
  };
}

/** Where RGBA pixels are opaque: the box around them [x, y, width, height], and its outermost ones. */
export function outline(
  data: Uint8ClampedArray,
  width: number,
  height: number,
): { box: [number, number, number, number]; top: Point; left: Point; right: Point } {
  let top: Point | null = null;
  let left: Point = [width, 0];
  let right: Point = [-1, 0];
  let bottom = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((data[(y * width + x) * 4 + 3] as number) < OPAQUE) continue;
      top ??= [x, y];
      bottom = y;
      if (x < left[0]) left = [x, y];
      if (x > right[0]) right = [x, y];
    }
  }
  if (top === null) throw new Error("The picture is empty.");
  return { box: [left[0], top[1], right[0] - left[0] + 1, bottom - top[1] + 1], top, left, right };
}
