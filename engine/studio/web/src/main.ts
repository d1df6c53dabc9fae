/** The studio's page. */

import { Api } from "./api";
import { Backdrop } from "./backdrop";
import { Calibration } from "./calibration";
import { Calls } from "./calls";
import { Devices } from "./devices";
import { $, icon, onPress, setPressed } from "./dom";
import { Enrolment } from "./enrolment";
import { HALTING_WITHIN_MS, halting } from "./figures";
import { Gallery } from "./gallery";
import { Hud } from "./hud";
import { Meter } from "./meter";
import { DevicePanel, Tabs } from "./panels";
import { Recorder, snapshot } from "./recorder";
import { Shortcuts } from "./shortcuts";
import { Show, type State } from "./show";
import { Stage } from "./stage";
import { theme } from "./theme";
import { hang } from "./understudy";
import { calmness, Wishes } from "./wishes";

const LIVE_ONLY = ["calibrate", "pose", "beside", "snapshot", "record"];

const api = new Api();
const devices = new Devices();
const stage = new Stage(act, (token) => {
  api.token = token;
  void gallery.load(null);
  void calls.refresh();
  start();
});
const wishes = new Wishes(api, draw, (why) => stage.say(why));
const gallery = new Gallery(api, (name) => wishes.change({ character: name }), () => enrolment.ask());
const backdrop = new Backdrop(api, (background) => wishes.change({ background }), (why) => stage.say(why));
const calibration = new Calibration();
const enrolment = new Enrolment(api, (name) => {
  wishes.change({ character: name }); // the show goes on meanwhile
  void gallery.load(null).then(draw);
}, (text) => stage.say(text));
const meter = new Meter(stage.video, look);
const hud = new Hud(meter, async () => (show.line ? api.report(show.line.location) : null));
const tabs = new Tabs(() => hud.draw());
const recorder = new Recorder((seconds) => {
  $("recording").hidden = seconds === null;
  setPressed("record", seconds !== null);
  const whole = Math.floor(seconds ?? 0);
  const time = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  ($("recording").querySelector("time") as HTMLElement).textContent = time;
});
const show = new Show(api, devices, {
  onState: draw,
  onLine(line, camera) {
    stage.video.srcObject = line.received;
    meter.begin(line, camera);
    void panel.refresh();
  },
  onSession(session, settled) {
    wishes.begin(session, settled);
    void gallery.load(session).then(draw); // others may have joined it, or it is another server's
  },
  onMessage: (message) => meter.hear(message),
  onMicrophone: (error) => panel.heard(error),
  onEnd() {
    recorder.stop();
    calibration.end();
    meter.end();
    wishes.end();
  },
});
const calls = new Calls(api);
const panel = new DevicePanel(devices, show, stage, () => draw());

function start(): void {
  void show.start();
}

function stop(): void {
  wishes.hide();
  show.stop();
  stage.video.srcObject = null;
  document.documentElement.style.removeProperty("--shape");
  $("start").focus({ preventScroll: true });
}

/** The one button of a screen. */
function act(): void {
  if (show.state.name === "cut") show.hurry();
  else start();
}

/** Everything that follows from the state of the show and from what is wanted. */
function draw(): void {
  const state: State = show.state;
  const live = state.name === "live";
  stage.show(state);
  $<HTMLButtonElement>("stop").disabled = !show.running;
  for (const id of LIVE_ONLY) $<HTMLButtonElement>(id).disabled = !live;
  const { character, background, mirror, smoothing, layout, show_pose } = wishes.now;
  gallery.show(character);
  backdrop.show(background);
  setPressed("mirror", mirror);
  setPressed("pose", show_pose);
  setPressed("beside", layout === "side-by-side");
  setPressed("sound", devices.sound);
  $("sound").querySelector("svg")?.replaceWith(icon(devices.sound ? "mic" : "mic-off"));
  $<HTMLInputElement>("smoothing").value = String(calmness(smoothing));
  const seen = layout === "side-by-side" ? "camera" : background === "blur" ? "room, blurred," : null;
  $("seen").hidden = !live || seen === null;
  ($("seen").lastChild as Text).data = `Your ${seen ?? "camera"} is in the picture`;
  understudy();
  look();
}

/** The puppet that hangs on the stage while nobody performs, and the name on the button. */
function understudy(): void {
  const character = gallery.find(wishes.now.character);
  hang(character && gallery.picture(character.name));
  $("start").textContent = `Become ${character ? (character.title ?? character.name) : "the character"}`;
}

/** Once a second, and whenever something has changed. */
function look(): void {
  hud.draw();
  const watched = show.state.name === "live" && !calibration.open;
  $("nobody").hidden = !watched || meter.present !== false;
  const since = performance.now() - HALTING_WITHIN_MS;
  const recent = meter.seconds.filter(({ at }) => at >= since).map(({ figures }) => figures);
  const held = watched && meter.present !== false ? (halting(recent) ?? "") : "";
  $("halting").hidden = held === "";
  if ($("halting").textContent !== held) $("halting").textContent = held; // read out once
}

function next(step: number): void {
  const character = gallery.beside(wishes.now.character, step);
  if (character) wishes.change({ character: character.name });
}

function press(id: string): () => void {
  return () => {
    const button = $<HTMLButtonElement>(id);
    if (!button.disabled) button.click();
  };
}

onPress("start", start);
onPress("stop", stop);
onPress("sound", () => panel.toggleSound());
onPress("mirror", () => wishes.change({ mirror: !wishes.now.mirror }));
onPress("pose", () => wishes.change({ show_pose: !wishes.now.show_pose }));
onPress("beside", () =>
  wishes.change({ layout: wishes.now.layout === "character" ? "side-by-side" : "character" }),
);
onPress("calibrate", () => {
  const { session, camera } = show;
  if (session === null) return;
  const glass = $<HTMLInputElement>("line-up").checked ? camera : null;
  void calibration.run(glass, () => api.calibrate(session));
});
onPress("snapshot", () => void snapshot(stage.video));
onPress("record", () => {
  if (recorder.running) return recorder.stop();
  try {
    if (show.line) recorder.start(show.line.received);
  } catch (error) {
    stage.say((error as Error).message);
  }
});
onPress("full", () => {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void $("stage").requestFullscreen();
});
onPress("hud", () => tabs.toggle("figures", "puppet"));
onPress("keys", () => shortcuts.help());
$("smoothing").addEventListener("input", (event) => {
  wishes.change({ smoothing: Number((event.target as HTMLInputElement).value) });
});
stage.video.addEventListener("playing", () => show.seen());
addEventListener("pagehide", () => show.stop());

const shortcuts = new Shortcuts([
  { key: "b", what: "Begin, or stop", press: () => (show.running ? stop() : start()) },
  { key: "n", what: "Next character", press: () => next(1) },
  { key: "p", what: "Previous character", press: () => next(-1) },
  { key: "m", what: "Mirror", press: press("mirror") },
  { key: "c", what: "Calibrate", press: press("calibrate") },
  { key: "s", what: "Show the pose", press: press("pose") },
  { key: "v", what: "Side by side with your camera", press: press("beside") },
  { key: "a", what: "Microphone on or off", press: press("sound") },
  { key: "t", what: "Take a snapshot", press: press("snapshot") },
  { key: "r", what: "Record, or end the recording", press: press("record") },
  { key: "f", what: "Full screen", press: press("full") },
  { key: "h", what: "Figures", press: press("hud") },
  { key: "escape", label: "Esc", what: "Leave the calibration", press: () => calibration.end() },
  { key: "?", what: "This list", press: () => shortcuts.help() },
]);

theme();
draw();
tabs.onFigures = (on) => {
  setPressed("hud", on);
  hud.show(on);
};
void gallery.load(null).then(draw);
void calls.refresh();
