/** The puppet that hangs on the stage while nobody performs. */

import { $ } from "./dom";
import type { Portrait } from "./portrait";

/** Where it has room, in hundredths of the stage. */
const ROOM = { width: 74, height: 67, bottom: 81 };
/** The ends of the cross that the strings hang from: [x, y] of head, left hand, right hand. */
const CROSS = { head: [50, 8], left: [36.2, 6.6], right: [63.8, 6.6] } as const;
const NOBODY = "M50 8V16M36.2 6.6 39 50M63.8 6.6 61 50";

/** Hang up a character; undefined: the outline of anyone. */
export function hang(portrait: Portrait | undefined): void {
  const image = $<HTMLImageElement>("understudy");
  image.hidden = portrait === undefined;
  $<SVGElement>("anyone").toggleAttribute("hidden", portrait !== undefined);
  const strings = $<SVGPathElement>("strings");
  if (portrait === undefined) {
    strings.setAttribute("d", NOBODY);
    return;
  }
  const { width, height, address } = portrait;
  const scale = Math.min(ROOM.width / width, ROOM.height / height);
  if (image.src !== address) image.src = address;
  Object.assign(image.style, {
    width: `${width * scale}%`,
    height: `${height * scale}%`,
    left: `${50 - (width * scale) / 2}%`,
    top: `${ROOM.bottom - height * scale}%`,
  });
  const place = ([x, y]: readonly [number, number]): string => {
    const inwards = 0.5 + (x - 0.5) * 0.97; // behind the edge, not at it
    return `${50 + (inwards - 0.5) * width * scale} ${ROOM.bottom + (y - 1) * height * scale + 0.5}`;
  };
  const path = (["head", "left", "right"] as const).map((end) => {
    const point = end === "head" ? portrait.top : portrait[end];
    return `M${CROSS[end].join(" ")} ${place(point)}`;
  });
  strings.setAttribute("d", path.join(""));
}
