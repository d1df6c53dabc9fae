// Notes, in the page, every picture of the camera and every picture that is shown: which number is
// in it (see bench/blockcode.py) and when. Run before the page's own script.
((place, columns, rows, bits, checkBits, selector, candidates, every, most) => {
  const bench = (window.__bench = { camera: [], shown: [], reading: [] });
  const kept = (window.__kept = []); // some of the pictures that were shown, as they were

  function crc8(number) {
    let rest = 0;
    for (const byte of [number >> 8, number & 255]) {
      rest ^= byte;
      for (let i = 0; i < 8; i++) rest = ((rest << 1) ^ (rest & 0x80 ? 0x07 : 0)) & 255;
    }
    return rest;
  }

  // The number in a strip of brightness values: `at(x, y)`, w by h; -1 where none can be read.
  function read(at, w, h) {
    const level = (row, column) => {
      const [left, right] = [0.25, 0.75].map((part) => Math.round(((column + part) * w) / columns));
      const [top, bottom] = [0.25, 0.75].map((part) => Math.round(((row + part) * h) / rows));
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += at(x, y);
      return sum / Math.max((right - left) * (bottom - top), 1);
    };
    const black = level(0, 0), white = level(0, 1);
    if (white - black < 48) return -1;
    let number = 0, check = 0;
    for (let i = 0; i < bits + checkBits; i++) {
      const bit = level(Math.floor((i + 2) / columns), (i + 2) % columns) > (black + white) / 2;
      if (i < bits) number = 2 * number + bit;
      else check = 2 * check + bit;
    }
    return check === crc8(number) ? number : -1;
  }

  // The same of a picture on a 2D canvas, for pages that have one.
  bench.numberOn = (pen, width, height) => {
    const w = Math.round(place.width * width), h = Math.round(place.height * height);
    const { data } = pen.getImageData(
      Math.round(place.left * width), Math.round(place.top * height), w, h);
    return read((x, y) => data[4 * (y * w + x) + 1], w, h);
  };

  // The strip alone is copied, as it was decoded: a canvas would convert the whole picture.
  async function numberIn(frame) {
    const even = (share, side) => 2 * Math.round((share * side) / 2);
    const { width, height } = frame.visibleRect;
    const rect = {
      x: even(place.left, width), y: even(place.top, height),
      width: even(place.width, width), height: even(place.height, height),
    };
    const bytes = new Uint8Array(frame.allocationSize({ rect }));
    const [{ offset, stride }] = await frame.copyTo(bytes, { rect });
    const step = /^(RGB|BGR)/.test(frame.format) ? 4 : 1; // else a plane of brightness comes first
    const at = (x, y) => bytes[offset + y * stride + x * step + (step > 1 ? 1 : 0)];
    return read(at, rect.width, rect.height);
  }

  async function keep(entry, frame) {
    const { width, height } = frame.visibleRect;
    const bytes = new Uint8Array(frame.allocationSize({ format: "RGBA" }));
    await frame.copyTo(bytes, { format: "RGBA" });
    kept.push({ number: entry[0], at: entry[4], width, height, bytes });
  }

  // One of them as text, for the way out of the page.
  window.__take = (i) => {
    const { number, at, width, height, bytes } = kept[i];
    let text = "";
    for (let from = 0; from < bytes.length; from += 32768)
      text += String.fromCharCode(...bytes.subarray(from, from + 32768));
    return { number, at, width, height, rgba: btoa(text) };
  };

  function watch(video, list) {
    const look = async (now, about) => {
      const began = performance.now();
      const entry = [-1, about.captureTime ?? -1, about.receiveTime ?? -1, about.presentationTime,
        about.expectedDisplayTime];
      list.push(entry);
      video.requestVideoFrameCallback(look);
      const frame = new VideoFrame(video);
      const number = numberIn(frame);
      bench.reading.push(performance.now() - began);
      try {
        entry[0] = await number;
        if (list === bench.shown && entry[0] >= 0 && entry[0] % every === 0 && kept.length < most)
          await keep(entry, frame);
      } finally {
        frame.close();
      }
    };
    video.requestVideoFrameCallback(look);
  }

  // What the page itself measures: its report, when it is saved.
  const address = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (blob) => {
    if (blob.type === "application/json") void blob.text().then((text) => (bench.report = JSON.parse(text)));
    return address(blob);
  };

  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wish) => {
    const stream = await open(wish);
    if (stream.getVideoTracks().length && !bench.mirror) {
      const mirror = (bench.mirror = document.createElement("video"));
      mirror.muted = true;
      mirror.srcObject = new MediaStream(stream.getVideoTracks());
      mirror.style.cssText = "position:fixed;right:0;bottom:0;width:64px;opacity:0.01";
      document.body.append(mirror);
      watch(mirror, bench.camera);
      await mirror.play();
    }
    return stream;
  };

  if (!candidates) {
    const ask = window.fetch.bind(window);
    window.fetch = (where, how = {}) => {
      if (how.method === "POST" && typeof how.body === "string" && how.body.startsWith("v=0")) {
        const lines = how.body.split(/\r?\n/).filter((line) => !line.startsWith("a=candidate:"));
        how = { ...how, body: lines.join("\r\n") };
      }
      return ask(where, how);
    };
  }

  addEventListener("DOMContentLoaded", () => {
    const video = document.querySelector(selector);
    if (video) watch(video, bench.shown); // a page of others says itself what it shows
  });
})
