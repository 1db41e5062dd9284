/**
 * `node scripts/bundle.mjs OUT [PROGRAM ...]`: the package's entry points, from their sources, as few files of JavaScript below
 * OUT. A worker that takes a dead one's place loads the library before it does anything, and of a start's processor time
 * most was for finding and opening its modules, one file each.
 *
 * B1  Whatever entry points share is there once, in `OUT/shared`: a class or symbol has one identity.
 * B2  Dependencies stay outside: users' projects choose and mend their versions, and what is loaded only when needed still is.
 * B3  Scripts of Lua stay files, where their sources have them.
 * B4  A class keeps its name, by which errors are told.
 *
 * A PROGRAM is an entry point more, which is not of the package: it runs on the files that users get.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const LUA = 'new URL("./lua/", import.meta.url)';

/** What package.json names in `dist`: [name below `dist`, source]. */
function entryPoints() {
  const { exports, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const files = [...Object.values(exports).map((door) => door.default), ...Object.values(bin)].filter((file) => file !== undefined);
  return files.map((file) => /^(?:\.\/)?dist\/(.+)\.js$/.exec(file)[1]).map((name) => [name, join(root, "src", `${name}.ts`)]);
}

/** A module says where its folder of scripts is by its own address, which is another one in a bundle. */
const scriptsOfLua = {
  name: "scripts-of-lua",
  transform: {
    filter: { code: LUA },
    handler(code, id) {
      const folder = join(dirname(id), "lua");
      const references = readdirSync(folder).map((file) =>
        this.emitFile({
          type: "asset",
          fileName: join(dirname(id), "lua", file).slice(join(root, "src/").length),
          source: readFileSync(join(folder, file)),
        }),
      );
      // No line moves: the map from what is bundled to the sources stays right.
      return { code: code.replaceAll(LUA, `new URL(".", import.meta.ROLLUP_FILE_URL_${references[0]})`), map: null };
    },
  },
};

const [out, ...programs] = process.argv.slice(2);
if (out === undefined) throw new Error("usage: node scripts/bundle.mjs OUT [PROGRAM ...]");
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries([...entryPoints(), ...programs.map((file) => [file.replace(/\.ts$/, ""), join(root, file)])]),
  platform: "node",
  external: /^[^./]/,
  plugins: [scriptsOfLua],
  // A warning is of something that would be wrong in the package.
  onLog: (level, { message }) => {
    if (level === "warn") throw new Error(message);
  },
});
const { output } = await bundle.write({ dir: out, format: "esm", sourcemap: true, chunkFileNames: "shared/[name].js" });
for (const { fileName, code } of output) {
  const [renamed] = /\bclass \w+\$\d+/.exec(code ?? "") ?? [];
  if (renamed !== undefined) throw new Error(`${fileName}: ${renamed}: two classes of this name came into one file; give one of them another`);
}
