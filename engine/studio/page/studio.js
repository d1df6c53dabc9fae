// One connection: the camera goes out, the character comes back.
// A server that wants a token gets it from the page's address: https://HOST/#token=...

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const authorization = token ? { Authorization: `Bearer ${token}` } : {};

const GATHERING_MS = 1000; // longer than this machine's own addresses take
const FIGURES_MS = 1000;

let show = null; // what is on: { connection, camera, session, timer }

function state(name, text) {
  $("stage").dataset.state = name;
  $("status").textContent = text;
  $("stop").disabled = name === "idle";
  $("sound").disabled = name !== "idle";
  $("figures").hidden = name !== "live";
}

const WHY = {
  NotAllowedError: "The camera was refused. Allow it in the address bar, then try again.",
  NotFoundError: "No camera was found. Plug one in, then try again.",
  NotReadableError: "Another program holds the camera. Close it, then try again.",
};

function gathered(connection) {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") resolve();
    });
  });
}

async function asked(response) {
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error || `The server answered ${response.status}.`);
}

async function start() {
  if (show) return;
  const now = (show = { connection: null, camera: null, session: null, timer: 0 });
  state("opening", "Asking for the camera…");
  try {
    if (!navigator.mediaDevices) throw new Error("Browsers give cameras to HTTPS and localhost only.");
    now.camera = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
      audio: $("sound").checked,
    });
    state("opening", "Calling the character…");
    const { iceServers } = await (await asked(await fetch("config", { headers: authorization }))).json();
    const connection = (now.connection = new RTCPeerConnection({ iceServers }));
    const received = new MediaStream();
    connection.addEventListener("track", ({ track, receiver }) => {
      if ("jitterBufferTarget" in receiver && track.kind === "video") receiver.jitterBufferTarget = 0;
      received.addTrack(track);
    });
    connection.addEventListener("connectionstatechange", () => {
      if (["failed", "closed"].includes(connection.connectionState)) stop("The connection was lost.");
    });
    for (const track of now.camera.getTracks()) connection.addTrack(track, now.camera);
    await connection.setLocalDescription();
    await gathered(connection);
    const response = await asked(await fetch("whip", {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...authorization },
      body: connection.localDescription.sdp,
    }));
    now.session = response.headers.get("Location");
    if (show !== now) return end(now); // stopped in the meantime
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    $("character").srcObject = received;
    now.timer = setInterval(() => figures(now), FIGURES_MS);
  } catch (error) {
    if (show === now) stop(WHY[error.name] || error.message);
    else end(now);
  }
}

function end({ connection, camera, session, timer }) {
  clearInterval(timer);
  camera?.getTracks().forEach((track) => track.stop());
  connection?.close();
  if (session) fetch(session, { method: "DELETE", headers: authorization, keepalive: true }).catch(() => {});
}

function stop(why = "Stopped.") {
  if (!show) return;
  const was = show;
  show = null;
  end(was);
  $("character").srcObject = null;
  state("idle", why);
}

async function figures(now) {
  const response = await fetch(now.session, { headers: authorization }).catch(() => null);
  if (show !== now) return;
  if (!response?.ok) return stop("The server has ended the show.");
  const { engine, latency_ms } = await response.json();
  if (show !== now || !engine) return;
  $("fps").textContent = engine.fps.toFixed(1);
  $("latency").textContent = `${latency_ms.toFixed(0)} ms`;
  $("dropped").textContent = engine.dropped + engine.missed_by_source;
}

$("start").addEventListener("click", start);
$("stop").addEventListener("click", () => { stop(); $("start").focus(); });
$("character").addEventListener("playing", () => { if (show) state("live", "You are live."); });
addEventListener("pagehide", () => stop());
