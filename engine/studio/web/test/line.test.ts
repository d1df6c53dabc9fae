import { afterEach, describe, expect, it, vi } from "vitest";
import type { Api } from "../src/api";
import { perform } from "../src/line";

afterEach(() => void vi.unstubAllGlobals());

describe("perform", () => {
  it("leaves no session behind on the server where its answer is of no use", async () => {
    const closed = vi.fn();
    class Connection extends EventTarget {
      iceGatheringState = "complete";
      localDescription = { sdp: "v=0" };
      addTransceiver = (): object => ({});
      createDataChannel = (): EventTarget => new EventTarget();
      setLocalDescription = (): Promise<void> => Promise.resolve();
      setRemoteDescription = (): Promise<void> => Promise.reject(new Error("no codec in common"));
      close = closed;
    }
    vi.stubGlobal("RTCPeerConnection", Connection);
    vi.stubGlobal("MediaStream", class {});
    const leave = vi.fn();
    const api = { perform: async () => ({ answer: "", location: "/whip/one" }), leave } as unknown as Api;
    const { signal } = new AbortController();
    const line = perform(api, {} as MediaStreamTrack, null, { iceServers: [], signal });
    await expect(line).rejects.toThrow("no codec");
    expect(closed).toHaveBeenCalledOnce();
    expect(leave).toHaveBeenCalledWith("/whip/one");
  });
});
