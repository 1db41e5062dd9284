/** Processes that strike themselves down (`struck-process.ts`): started, waited for at their places, and what they have to have counted. */
import { type ChildProcess, spawn } from "node:child_process";
import { expect } from "vitest";
import { built } from "./built.ts";

const CHILD = built("test/support/struck-process.ts");

export interface StruckProcess {
  readonly child: ChildProcess;
  /** Everything it has said, once it has ended. */
  readonly ended: Promise<string>;
  /** Resolves when it has said that it is at this place, or when it has ended. */
  at(place: string): Promise<boolean>;
}

export interface Struck {
  /** "-" for none. */
  readonly place?: string;
  readonly signal?: "SIGKILL" | "SIGSTOP";
  /** How often it passes the place first. */
  readonly after?: number;
  readonly leaseMs?: number;
}

const children = new Set<ChildProcess>();

/** All that are still there. */
export function killChildren(): void {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
}

export function startStruck(store: string, { place = "-", signal = "SIGKILL", after = 0, leaseMs = 500 }: Struck = {}): StruckProcess {
  const child = spawn(process.execPath, [CHILD, store, place, signal, String(after), String(leaseMs)], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let said = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = new Promise<string>((resolve, reject) => {
    child.once("close", () => {
      children.delete(child);
      const complaint = errors.replaceAll(/.*(ExperimentalWarning|--trace-warnings).*\n/g, "");
      if (complaint === "") resolve(said);
      else reject(new Error(`the process says: ${complaint}`));
    });
  });
  const at = async (here: string): Promise<boolean> => {
    await expect.poll(() => said.includes(`${here}\n`) || child.exitCode !== null || child.signalCode !== null, { timeout: 60_000 }).toBe(true);
    return said.includes(`${here}\n`);
  };
  return { child, ended, at };
}

/** Of 60 numbers, each key has every fifth; each record is late, or has set a timer that has fired; all were handed on once. */
export function expectExact(said: string): void {
  // K13 lies between the two.
  const [, line = ""] = /(\[.*\])\n(?:K13\n)?finished\n$/.exec(said) ?? [];
  const counted = JSON.parse(line === "" ? "[]" : line) as { sum: number; records: number; late: number; fired: number }[];
  const tally = counted.pop();
  expect(counted.map(({ sum, records }) => [sum, records])).toEqual([0, 1, 2, 3, 4].map((first) => [12 * first + 5 * 66, 12]));
  expect(counted.map(({ late, fired }) => late + fired)).toEqual([12, 12, 12, 12, 12]);
  expect(tally).toEqual({ sum: (59 * 60) / 2, records: 60 });
}
