/** The server's HTTP side. A server that wants a token gets it from the page's address: #token=... */

import type { Background, Character, Config, EnrolEvent, Settings, VirtualCamera } from "./protocol";

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** There was no answer. */
export class Unreachable extends Error {}

const PATIENCE_MS = 8000;
const SDP = "application/sdp";

export class Api {
  #token = new URLSearchParams(location.hash.slice(1)).get("token");

  get token(): string | null {
    return this.#token;
  }

  /** Use a token from now on, and keep it in the address, where a reload finds it. */
  set token(token: string | null) {
    this.#token = token;
    const hash = token === null ? "" : `#${new URLSearchParams({ token })}`;
    history.replaceState(null, "", location.pathname + location.search + hash);
  }

  config(): Promise<Config> {
    return this.#json("config");
  }

  /** Whether the server answers at all, were it to say no. */
  async answers(): Promise<boolean> {
    try {
      await this.#ask("config", {}, 3000);
      return true;
    } catch (error) {
      return error instanceof Refused;
    }
  }

  /** Begin to perform: the answer to an offer, and where the session is. */
  perform(offer: string): Promise<{ answer: string; location: string }> {
    return this.#offer("whip", offer);
  }

  /** Begin to watch a session. */
  watch(session: string, offer: string, query = ""): Promise<{ answer: string; location: string }> {
    return this.#offer(`whep/${encodeURIComponent(session)}${query}`, offer);
  }

  /** End a session or a viewing; nobody waits for it, and it outlives the page. */
  leave(location: string): void {
    const options = { method: "DELETE", keepalive: true, headers: this.#headers() };
    fetch(this.#url(location), options).catch(() => {});
  }

  report(location: string): Promise<Record<string, unknown>> {
    return this.#json(location);
  }

  async characters(session: string | null): Promise<Character[]> {
    const query = session === null ? "" : `?session=${encodeURIComponent(session)}`;
    return (await this.#json<{ characters: Character[] }>(`api/characters${query}`)).characters;
  }

  /** A picture; only those with the token may fetch it, so an address in an img would not do. */
  async picture(path: string): Promise<Blob> {
    return (await this.#ask(path)).blob();
  }

  settings(session: string): Promise<Settings> {
    return this.#json(`api/session/${encodeURIComponent(session)}/settings`);
  }

  change(session: string, change: Partial<Settings>): Promise<Settings> {
    return this.#json(`api/session/${encodeURIComponent(session)}/settings`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(change),
    });
  }

  /** Give the server a picture to put behind characters; its name as a background. */
  async background(picture: Blob): Promise<Background> {
    const options = { method: "POST", headers: { "Content-Type": picture.type }, body: picture };
    return (await this.#json<{ background: Background }>("api/backgrounds", options)).background;
  }

  /** Measure the performer, now. */
  async calibrate(session: string): Promise<void> {
    await this.#ask(`api/session/${encodeURIComponent(session)}/calibrate`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ countdown_s: 0 }),
    });
  }

  virtualCamera(): Promise<VirtualCamera> {
    return this.#json("api/camera");
  }

  switchVirtualCamera(on: boolean): Promise<VirtualCamera> {
    return this.#json("api/camera", {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ on }),
    });
  }

  async enrol(drawing: File, name: string): Promise<string> {
    const body = new FormData();
    body.set("name", name);
    body.set("drawing", drawing, drawing.name);
    return (await this.#json<{ id: string }>("api/enrol", { method: "POST", body }, 60_000)).id;
  }

  /** How a drawing becomes a character; ends after the last event. */
  async *enrolment(id: string): AsyncGenerator<EnrolEvent> {
    // Not an EventSource: that cannot carry the token.
    const path = `api/enrol/${encodeURIComponent(id)}/events`;
    const response = await this.#ask(path, {}, Infinity);
    if (response.body === null) return;
    for await (const data of eventsOf(response.body)) {
      const event = JSON.parse(data) as EnrolEvent;
      yield event;
      if (event.done?.mended === false || event.over || event.error !== undefined) return;
    }
  }

  #headers(): Record<string, string> {
    return this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
  }

  #url(path: string): URL {
    return new URL(path, document.baseURI);
  }

  async #offer(path: string, offer: string): Promise<{ answer: string; location: string }> {
    const headers = { "Content-Type": SDP };
    const options = { method: "POST", headers, body: offer };
    const response = await this.#ask(path, options, 30_000); // the first one loads the networks
    const location = response.headers.get("Location");
    if (location === null) throw new Error("The server has not said where the session is.");
    return { answer: await response.text(), location };
  }

  async #json<T>(path: string, options: RequestInit = {}, patience?: number): Promise<T> {
    return (await (await this.#ask(path, options, patience)).json()) as T;
  }

  async #ask(path: string, options: RequestInit = {}, patience = PATIENCE_MS): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#url(path), {
        ...options,
        headers: { ...this.#headers(), ...(options.headers as Record<string, string>) },
        ...(Number.isFinite(patience) ? { signal: AbortSignal.timeout(patience) } : {}),
      });
    } catch (error) {
      throw new Unreachable("The server does not answer.", { cause: error });
    }
    if (response.ok) return response;
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    throw new Refused(response.status, error ?? `The server answered ${response.status}.`);
  }
}

/**
 * The data of each server-sent event of a stream.
 * @throws Unreachable it breaks off
 */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error: unknown) => {
        throw new Unreachable("The server has gone away.", { cause: error });
      });
      if (done) return;
      text = (text + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n");
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        const data = lines
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).replace(/^ /, ""));
        if (data.length > 0) yield data.join("\n");
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
