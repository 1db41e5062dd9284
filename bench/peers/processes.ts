/** The processes of a peer, and the folders of their data: started, looked at from outside (CPU, memory) and ended here, and by nobody else. Linux only. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of its standard output. */
  readonly line?: (line: string) => void;
}

/** A tick of the kernel's accounts is 10 ms. */
const TICKS_PER_SECOND = 100;
/** How long a process may take to end by itself, ms. */
const PATIENCE_MS = 15_000;

const alive = new Set<ChildProcess>();
const folders = new Set<string>();
/** No process and no folder outlives this process, unless it is killed. */
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
  for (const folder of folders) removeFolder(folder);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** A new folder for the data of a peer. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `mr-${name}-`));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  folders.delete(folder);
}

export class Processes {
  readonly #children: { readonly child: ChildProcess; readonly name: string; counted: boolean }[] = [];
  readonly #adopted: number[] = [];
  #failure: Error | undefined;

  /** Starts one; `counted`: it is a part of the peer, not of the load. Its last words are in the error of `check`. */
  start(name: string, counted: boolean, command: string, args: readonly string[], { cwd, env, line }: StartOptions = {}): ChildProcess {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const entry = { child, name, counted };
    this.#children.push(entry);
    alive.add(child);
    let last = "";
    const keep = (text: string): void => void (last = `${last}${text}\n`.slice(-3_000));
    createInterface({ input: child.stdout }).on("line", (text) => {
      keep(text);
      line?.(text);
    });
    createInterface({ input: child.stderr }).on("line", keep);
    child.stdin.on("error", () => undefined);
    child.once("error", (error) => (this.#failure ??= error));
    child.once("exit", (code, signal) => {
      alive.delete(child);
      if (code !== 0 && this.#children.includes(entry)) this.#failure ??= new Error(`${name} ended with ${code ?? signal}: ${last}`);
    });
    return child;
  }

  /** A process that somebody else started and ends is counted too. */
  adopt(pid: number): void {
    this.#adopted.push(pid);
  }

  /** Throws where a process has failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** CPU seconds so far and peak MiB of all that are counted; of threads and of children that have ended, too. */
  usage(): { cpuSeconds: number; rssMiB: number } {
    let ticks = 0;
    let kib = 0;
    const pids = this.#children.flatMap(({ child, counted }) => (counted && child.pid !== undefined && child.exitCode === null ? [child.pid] : []));
    for (const pid of [...pids, ...this.#adopted]) {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      for (const field of [11, 12, 13, 14]) ticks += Number(fields[field]);
      kib += Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    }
    return { cpuSeconds: ticks / TICKS_PER_SECOND, rssMiB: Math.round(kib / 1_024) };
  }

  /** Ends all, the last one first. */
  async stop(): Promise<void> {
    for (const { child } of this.#children.splice(0).toReversed()) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const last = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
      await ended;
      clearTimeout(last);
    }
  }
}

/** Waits for a process that ends by itself, as a step of preparation does; throws where it fails. */
export async function finished(name: string, command: string, args: readonly string[], options: StartOptions = {}): Promise<void> {
  const processes = new Processes();
  const child = processes.start(name, false, command, args, options);
  await new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  processes.check();
}
