import { describe, expect, it } from "vitest";
import { type Api, Refused } from "../src/api";
import type { Settings } from "../src/protocol";
import { Wishes } from "../src/wishes";

describe("Wishes", () => {
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
