/** docs/reprocess.md, as it stands: its files are written, its commands are run, and what they print is what it says. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LIBRARY, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 240_000 });

const page = readFileSync(new URL("../../docs/reprocess.md", import.meta.url), "utf8");
const BLOCK = /(?:<!-- (?<mark>\w+)(?:: (?<name>\S+))? -->\n)?```(?<language>\w*)\n(?<text>[\s\S]*?)```/g;

test("the page on reprocessing does what it says", async () => {
  const workplace = new Workplace();
  const path = (name: string): string => join(workplace.directory, name);
  let printed = "";
  let ran = 0;
  for (const { groups } of page.matchAll(BLOCK)) {
    const { mark, name = "", language, text = "" } = groups as Record<string, string | undefined>;
    if (mark === "file") workplace.write(name, text.replace('"millrace"', `"${LIBRARY}"`));
    else if (mark === "replace") {
      const [, before = "", after = ""] = /^-(.*)\n\+(.*)\n$/.exec(text) ?? [];
      const source = readFileSync(path(name), "utf8");
      expect(source).toContain(before);
      writeFileSync(path(name), source.replace(before, after));
    } else if (mark === "output") expect(printed.trimEnd()).toBe(text.trimEnd());
    else if (language === "sh") {
      for (const line of text.trimEnd().split("\n")) {
        const [command = "", ...words] = line.split(" ");
        if (command !== "npx") {
          printed = execFileSync(command, words, { cwd: workplace.directory, encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
          continue;
        }
        const { code, out, errors } = await workplace.run(words.slice(1));
        expect([line, code, code === 0 ? "" : errors]).toEqual([line, 0, ""]);
        printed = out;
        ran += 1;
      }
    }
  }
  expect(ran).toBe(6);
});
