import { afterEach, describe, expect, it, vi } from "vitest";
import { type Api, Refused, Unreachable } from "../src/api";
import type { Settings } from "../src/protocol";
import { Wishes } from "../src/wishes";

afterEach(() => void vi.useRealTimers());

describe("Wishes", () => {
  it("tells a server that has not answered again, with what was chosen meanwhile", async () => {
    vi.useFakeTimers();
    const told: Partial<Settings>[] = [];
    let away = true;
    const change = (_: string, what: Partial<Settings>): Promise<Settings> => {
      told.push(what);
      return away ? Promise.reject(new Unreachable("nobody")) : Promise.resolve({ ...wishes.now });
    };
    const api = { change, settings: () => new Promise(() => {}) } as unknown as Api;
    const refusals: string[] = [];
    const wishes = new Wishes(api, () => {}, (why) => refusals.push(why));
    wishes.begin("one", ["mirror", "layout", "show_pose"]);
    wishes.change({ background: "#00ff00", character: "Ito" });
    await vi.advanceTimersByTimeAsync(100);
    away = false;
    wishes.change({ background: "soft" });
    await vi.advanceTimersByTimeAsync(2000);
    expect(refusals).toEqual(["nobody"]);
    expect(told).toHaveLength(2);
    expect(told[1]).toEqual({ character: "Ito", background: "soft" });
  });

  it("shows what the server has where it refuses", async () => {
    const has: Settings = {
      character: "Ito", background: "soft", mirror: true, smoothing: "auto", layout: "character", show_pose: false,
    }; // prettier-ignore
    const api = {
      change: () => Promise.reject(new Refused(400, "no such picture")),
      settings: () => Promise.resolve(has),
    };
    const refusals: string[] = [];
    const wishes = new Wishes(api as unknown as Api, () => {}, (why) => refusals.push(why));
    wishes.begin("one", ["mirror", "layout", "show_pose"]);
    wishes.change({ background: "image:gone" });
    expect(wishes.now.background).toBe("image:gone");
    await vi.waitFor(() => expect(wishes.now.background).toBe("soft"));
    expect(refusals).toEqual(["no such picture"]);
  });

  it("hears nothing of a session that is over", async () => {
    const answers: ((settings: Settings) => void)[] = [];
    let asked = 0;
    const change = (): Promise<Settings> =>
      asked++ === 0
        ? Promise.reject(new Refused(400, "one of them cannot be"))
        : new Promise((resolve) => answers.push(resolve));
    const wishes = new Wishes({ change } as unknown as Api, () => {}, () => {});
    wishes.begin("first", []);
    await new Promise((resolve) => setTimeout(resolve));
    expect(answers.length).toBe(1); // each by itself now
    wishes.end();
    wishes.hide();
    answers[0]?.({ ...wishes.now, layout: "side-by-side" });
    await new Promise((resolve) => setTimeout(resolve));
    expect(wishes.now.layout).toBe("character"); // else the next show begins with the camera in it
    expect(answers.length).toBe(1);
  });
});
