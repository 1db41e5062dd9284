/** What a server executes that writes, and on whose behalf, as it says itself: `MONITOR`, and `INFO commandstats` beside it. */
import type { Redis } from "ioredis";
import { expect } from "vitest";
import { SCRIPTS } from "../../../src/store/redis/scripts.ts";

export interface Writes {
  /** Commands that wrote. */
  readonly written: number;
  /** Those of them that came from no script. */
  readonly besides: readonly string[];
  /** Scripts that wrote, by name. */
  readonly writers: readonly string[];
}

/** Watches all connections of the server from now on, until `end`. */
export async function watchWrites(admin: Redis): Promise<{ end(): Promise<Writes> }> {
  const writing = new Set<string>();
  for (const [name, , flags] of (await admin.call("COMMAND")) as [string, number, string[]][]) if (flags.includes("write")) writing.add(name);
  expect(writing.has("hset") && writing.has("rpush") && !writing.has("hget")).toBe(true);

  const seen: { command: string; args: string[]; byScript: boolean }[] = [];
  const monitor = await admin.monitor();
  monitor.on("monitor", (_time: string, [command = "", ...args]: string[], source: string) =>
    seen.push({ command: command.toLowerCase(), args, byScript: source === "lua" }),
  );
  const before = await countWrites(admin, writing);
  return {
    async end() {
      const counted = (await countWrites(admin, writing)) - before;
      // The monitor has told all before this once it tells this.
      await admin.echo("the end");
      await expect.poll(() => seen.some(({ command }) => command === "echo")).toBe(true);
      monitor.disconnect();
      const written = seen.filter(({ command }) => writing.has(command));
      expect(counted, "what commandstats counts is what MONITOR told").toBe(written.length);

      // A script's commands follow its evalsha, since nothing else runs meanwhile.
      const scripts = new Map(SCRIPTS.map(({ sha, file }) => [sha, file]));
      const writers = new Set<string>();
      let running = "";
      for (const { command, args, byScript } of seen) {
        if (command === "evalsha") running = scripts.get(args[0]!) ?? "probe.lua";
        if (byScript && writing.has(command)) writers.add(running);
      }
      const besides = written.filter(({ byScript }) => !byScript).map(({ command, args }) => `${command} ${args.join(" ")}`);
      return { written: written.length, besides, writers: [...writers].sort() };
    },
  };
}

async function countWrites(admin: Redis, writing: ReadonlySet<string>): Promise<number> {
  let sum = 0;
  for (const [, name = "", calls = "0"] of (await admin.info("commandstats")).matchAll(/cmdstat_([^:|]+)[^:]*:calls=(\d+)/g)) {
    if (writing.has(name)) sum += Number(calls);
  }
  return sum;
}
