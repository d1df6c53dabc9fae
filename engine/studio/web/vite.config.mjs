import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig } from "vite";

const here = import.meta.dirname;
const out = join(here, "..", "static");

/** SHA-256 of all files below a folder: sorted paths, and contents with Unix line ends. */
function fingerprint(folder, skip) {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !skip.some((part) => path.split("/").includes(part)))
    .sort();
  for (const path of files) {
    const text = readFileSync(join(folder, path), "utf8").replaceAll("\r\n", "\n");
    hash.update(`${path}\0${text}\0`);
  }
  return hash.digest("hex");
}

/** What tests/studio/test_page.py compares: the sources that were built, and what came of them. */
const stamp = {
  name: "stamp",
  closeBundle() {
    const made = {
      sources: fingerprint(here, ["node_modules"]),
      built: fingerprint(out, ["build.json"]),
    };
    writeFileSync(join(out, "build.json"), `${JSON.stringify(made, null, 2)}\n`);
  },
};

export default defineConfig({
  base: "./",
  build: {
    outDir: out,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: ["index", "obs", "privacy"].map((page) => join(here, `${page}.html`)),
    },
  },
  plugins: [stamp],
});
