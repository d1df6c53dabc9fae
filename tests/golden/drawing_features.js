// Makes drawing_features.json with nsfwjs's own code on TensorFlow.js, independently of ours:
//   npm install --ignore-scripts @tensorflow/tfjs@4.22.0 nsfwjs@4.3.0   (in any folder)
//   NODE_PATH=that/folder/node_modules node tests/golden/drawing_features.js
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");
const nsfwjs = require("nsfwjs");

const SIZE = 200; // it is resized to 299
const pixel = (y, x, c) => (7 * x + 13 * y + 31 * c + ((x * y) >> 4)) % 256;

(async () => {
  const model = await nsfwjs.load("InceptionV3", { size: 299 });
  const bytes = new Int32Array(SIZE * SIZE * 3);
  for (let y = 0, i = 0; y < SIZE; y++)
    for (let x = 0; x < SIZE; x++) for (let c = 0; c < 3; c++) bytes[i++] = pixel(y, x, c);
  const picture = tf.tensor3d(bytes, [SIZE, SIZE, 3], "int32");
  const features = Array.from(model.infer(picture, "flatten_1").dataSync());
  const classes = Array.from(model.infer(picture).dataSync());
  const every = features.filter((_, i) => i % 64 === 0);
  const sum = features.reduce((a, b) => a + b, 0);
  fs.writeFileSync(
    path.join(__dirname, "drawing_features.json"),
    JSON.stringify({ size: SIZE, sum, every_64th: every, classes }, null, 1) + "\n",
  );
})();
