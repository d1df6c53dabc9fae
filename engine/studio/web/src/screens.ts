/** What the stage says when there is no character on it. */

import type { Cut, State, Trouble } from "./show";

export interface Screen {
  icon: string;
  title: string;
  text: string;
  /** What the button says; null for no button. */
  action: string | null;
  /** Whether a token can be typed in. */
  token?: boolean;
}

const TROUBLES: Record<Trouble, Screen> = {
  none: {
    icon: "camera-off",
    title: "No camera was found",
    text: "Plug one in, or wake the one you have, then try again.",
    action: "Try again",
  },
  refused: {
    icon: "camera-off",
    title: "The camera was refused",
    text: "Allow it at the left end of the address bar, then try again. Its picture goes to this server alone; it is neither shown nor kept.",
    action: "Try again",
  },
  busy: {
    icon: "camera-off",
    title: "The camera is busy",
    text: "Another program holds it: a video call, perhaps, or OBS. Close that one, then try again.",
    action: "Try again",
  },
  unplugged: {
    icon: "camera-off",
    title: "The camera is gone",
    text: "It was unplugged, or its permission was taken back.",
    action: "Try again",
  },
  insecure: {
    icon: "lock",
    title: "This page cannot have a camera",
    text: "Browsers give cameras to https:// pages and to this machine's own localhost only. Open the studio under such an address.",
    action: null,
  },
  token: {
    icon: "lock",
    title: "This stage has a key",
    text: "The server asks for a token. Whoever runs it can tell you.",
    action: "Open",
    token: true,
  },
  "wrong-token": {
    icon: "lock",
    title: "That was not the key",
    text: "The server does not know this token. Perhaps a letter is missing, or it has a new one.",
    action: "Open",
    token: true,
  },
  failed: {
    icon: "knot",
    title: "The show could not begin",
    text: "",
    action: "Try again",
  },
};

const CUTS: Record<Cut, { icon: string; title: string; text: string }> = {
  server: {
    icon: "knot",
    title: "The server is away",
    text: "Your character comes back by itself when it returns.",
  },
  network: {
    icon: "knot",
    title: "The line was cut",
    text: "Your character comes back by itself when the network does.",
  },
  camera: {
    icon: "camera-off",
    title: "The camera gives no pictures",
    text: "Your character goes on when it does. Perhaps another program took it, or a key switched it off.",
  },
  full: {
    icon: "seat",
    title: "The stage is taken",
    text: "As many perform here as may. You are next, as soon as a place is free.",
  },
};

/** The screen of a state, or null where the stage needs none. */
export function screenOf(state: State): Screen | null {
  if (state.name === "trouble") {
    const screen = TROUBLES[state.trouble];
    return state.trouble === "failed" ? { ...screen, text: state.detail } : screen;
  }
  if (state.name !== "cut") return null;
  // An interruption that may mend itself within moments needs no button.
  return { ...CUTS[state.why], action: state.next === null ? null : "Try now" };
}

const OPENING = {
  server: "Knocking at the server…",
  camera: "Please allow the camera…",
  character: "Tying the strings…",
} as const;

/** The line of text beside the page's name; it is read out when it changes. */
export function statusOf(state: State): string {
  switch (state.name) {
    case "idle":
      return "Ready when you are";
    case "opening":
      return OPENING[state.step];
    case "live":
      return "You are live";
    case "trouble":
      return TROUBLES[state.trouble].title;
    case "cut":
      if (state.why !== "camera") return "Calling again";
      return state.next === null ? "Waiting for the camera" : "Opening the camera again";
  }
}

/** What is added to it for those who see it; a countdown is not read out each second. */
export function countdownOf(state: State, now: number): string {
  if (state.name !== "cut") return "";
  if (state.next === null) return "…";
  return ` in ${Math.max(Math.ceil((state.next - now) / 1000), 1)} s`;
}
