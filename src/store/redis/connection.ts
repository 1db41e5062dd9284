/**
 * One connection to Redis and the calls on it. Owns connecting, greeting the server (can it be used, is it still the
 * same, does it have our scripts), time-outs and what errors mean to a caller. Knows nothing of what is stored.
 *
 * C1  Every call settles: with a reply, with the server's error, or, when the connection is lost or nothing came in
 *     time, with `StoreUnavailableError`. The client library alone leaves calls open after a reconnect.
 * C2  No call reaches a server that was not greeted, and `generation` has risen before the first call that reaches
 *     another one.
 * C3  Nothing is sent twice, except a script that the server did not have, which then has not run.
 * C4  No error and no description holds credentials: of what the library throws, only the message is kept.
 */
import type { Buffer } from "node:buffer";
import type { Command, Redis } from "ioredis";
import type { Clock } from "../../clock.ts";
import { InvariantError, StoreRefusedError, StoreUnavailableError, messageOf } from "../../errors.ts";
import { describeTarget, type ClientOptions } from "./client-options.ts";
import { checkOffered, type Wanted } from "./durability.ts";
import { isOfReplica, meaningOf } from "./error-meaning.ts";
import type { Keys } from "./keys.ts";
import { asText } from "./reply.ts";
import { Request } from "./request.ts";
import type { Script } from "./script.ts";
import { PROBE, READING_SCRIPTS, SCRIPTS } from "./scripts.ts";
import type { Covers, Line } from "./line.ts";
import { describeServer, readServerFacts } from "./server-check.ts";

/** Parts of the time-out between two looks at what is open. A call is given up within a quarter more than its time. */
const LOOKS = 4;
/** ms until a server that could not be used after a reconnect is asked again. */
const ASK_AGAIN_MS = 1_000;
/** Times that a script is given to the server for one call: it may forget it at once. */
const LOADS = 3;

interface Call {
  readonly reject: (error: Error) => void;
  /** Number of the look before which it was made. */
  readonly made: number;
}

type Opening = { readonly resolve: () => void; readonly reject: (error: Error) => void };

type SentCommand = new (name: string, bytes: Buffer) => Command;

export interface ConnectionOptions {
  readonly client: ClientOptions;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** It is a node of a cluster, which has only some of the keys: what follows from that is `cluster.ts`'s. Default false. */
  readonly node?: boolean;
  /** Nothing will be written: nothing is tried out by writing, and a server that takes no writes will do. Default false. */
  readonly reading?: boolean;
  /** What the server must be able to promise of commits; undefined: no more than that it has applied them. */
  readonly wanted?: Wanted | undefined;
  /** May the server be asked to write its append-only file anew, where that is due? Default false. */
  readonly rewrites?: boolean;
}

/** Loads the client, which otherwise the first connection does. */
export const loadRedis = (): Promise<unknown> => import("ioredis");

/** Connects; rejects where the server cannot be reached (`StoreUnavailableError`) or used (`StoreRefusedError`). */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  // Only here: who does not use Redis does not load the client.
  const { Redis, Command } = await import("ioredis");
  class Sent extends Command {
    readonly #bytes: Buffer;
    constructor(name: string, bytes: Buffer) {
      super(name, [], { replyEncoding: null });
      this.#bytes = bytes;
    }
    override toWritable(): Buffer {
      return this.#bytes;
    }
  }
  const connection = new Connection(options, new Redis(options.client), Sent);
  await connection.open();
  return connection;
}

/** Nobody is there, or nobody who speaks Redis: at the start that is most often a server that does not run, or another address. */
const NOBODY = /ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|not ready within/;

function withRemedy(error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError) || !NOBODY.test(error.message)) return error;
  return new StoreUnavailableError(`${error.message}; start Redis there, or name another store`, { cause: error });
}

export class Connection {
  readonly #redis: Redis;
  readonly #Sent: SentCommand;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #address: string;
  readonly #reading: boolean;
  readonly #wanted: Wanted | undefined;
  readonly #node: boolean;
  readonly #rewrites: boolean;
  readonly #request = new Request();
  readonly #calls = new Set<Call>();
  #looks = 0;
  #stopLooking: (() => void) | undefined = undefined;
  #stopAsking: (() => void) | undefined = undefined;

  #state: "connecting" | "open" | "refused" | "closed" = "connecting";
  #opening: Opening | undefined = undefined;
  #greeting = 0;
  #identity: string | undefined = undefined;
  #generation = 0;
  #draining: Promise<void> | undefined = undefined;
  #scriptsSentAgain = 0;
  #server = "";
  /** Why it is not open. */
  #reason: Error;

  constructor({ client, keys, clock, timeoutMs, reading = false, wanted, node = false, rewrites = false }: ConnectionOptions, redis: Redis, sent: SentCommand) {
    this.#redis = redis;
    this.#Sent = sent;
    this.#keys = keys;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#reading = reading;
    this.#wanted = wanted;
    this.#node = node;
    this.#rewrites = rewrites;
    this.#address = describeTarget(client);
    this.#reason = this.#unavailable("not connected yet");
  }

  /** "redis://127.0.0.1:6379/0 (Redis 7.0.15, append-only file)". */
  get description(): string {
    return `${this.#address} (${this.#server})`;
  }
  get generation(): number {
    return this.#generation;
  }

  /** How often a script was sent again because the server did not have it: what was sent behind it has overtaken it then. */
  get scriptsSentAgain(): number {
    return this.#scriptsSentAgain;
  }

  async open(): Promise<void> {
    this.#redis.on("error", (error: unknown) => (this.#reason = this.#meaningOf(error)));
    this.#redis.on("ready", () => void this.#greet());
    this.#redis.on("close", () => this.#lose());
    const giveUp = this.#clock.after(this.#timeoutMs, () => this.#fail(this.#unavailable(`not ready within ${this.#timeoutMs} ms (${this.#reason.message})`)));
    try {
      await new Promise<void>((resolve, reject) => {
        this.#opening = { resolve, reject };
        this.#redis.connect().catch((error: unknown) => {
          if (this.#redis.status === "end") this.#fail(this.#meaningOf(error));
        });
      });
    } catch (error) {
      throw withRemedy(error);
    } finally {
      giveUp();
    }
  }

  /** Where calls on keys of a slot go: all here. */
  line(): Line {
    return this;
  }
  coveredLine(_slot: number, covers: Covers): Line {
    return {
      run: (script, bytes) => covers.after(this, () => this.run(script, bytes), false),
      command: (name, bytes) => covers.after(this, () => this.command(name, bytes), false),
    };
  }
  lines(): readonly Line[] {
    return [this];
  }

  sent(): Promise<void> | undefined {
    const { stream } = this.#redis;
    if (stream?.writableNeedDrain !== true) return undefined;
    this.#draining ??= new Promise<void>((resolve) => {
      const settle = (): void => {
        stream.off("drain", settle).off("close", settle);
        this.#draining = undefined;
        resolve();
      };
      stream.on("drain", settle).on("close", settle);
    });
    return this.#draining;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Runs a script. `bytes` are of `Request.finishScript(script.sha)`; they may be sent twice (C3). `asking`: in a slot that is on its way here. */
  async run(script: Script, bytes: Buffer, asking = false): Promise<unknown> {
    for (let loaded = 0; ; loaded++) {
      try {
        if (asking) this.#ask();
        return await this.#send("evalsha", bytes);
      } catch (error) {
        if (loaded === LOADS || !messageOf(error).startsWith("NOSCRIPT")) throw this.#meaningOf(error);
      }
      this.#scriptsSentAgain += 1;
      await this.#meant(this.#load(script));
    }
  }

  /** Sends one command. `bytes` are of `Request.finishCommand(name)`. */
  async command(name: string, bytes: Buffer, asking = false): Promise<unknown> {
    if (asking) this.#ask();
    return this.#meant(this.#send(name, bytes));
  }

  /** What is sent next is meant for a slot that is on its way here. */
  #ask(): void {
    this.#send("asking", this.#request.begin().finishCommand("ASKING")).catch(() => {});
  }

  /** Ends the connection. Calls that are still open reject. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#end(this.#unavailable("the store was closed; open it again"));
    const { status } = this.#redis;
    const ended =
      status === "connecting" || status === "connect" || status === "ready" ? new Promise<void>((resolve) => this.#redis.once("end", resolve)) : undefined;
    this.#redis.disconnect();
    await ended;
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #meant<T>(settled: Promise<T>): Promise<T> {
    try {
      return await settled;
    } catch (error) {
      throw this.#meaningOf(error);
    }
  }

  /** Rejects with what the library or the server said; `greeting` calls go out although the connection is not open yet. */
  #send(name: string, bytes: Buffer, greeting = false): Promise<unknown> {
    if (this.#state !== "open" && !greeting) return Promise.reject(this.#reason);
    return new Promise((resolve, reject) => {
      const call: Call = { reject, made: this.#looks };
      this.#calls.add(call);
      this.#stopLooking ??= this.#clock.after(this.#timeoutMs / LOOKS, () => this.#look());
      const command = new this.#Sent(name, bytes);
      command.promise.then(
        (reply: unknown) => {
          this.#calls.delete(call);
          resolve(reply);
        },
        (error: unknown) => {
          this.#calls.delete(call);
          reject(error as Error);
        },
      );
      this.#redis.sendCommand(command);
    });
  }

  /** Gives up on calls that were made a whole time-out ago. Counts looks, not time: a clock may jump, a process may sleep. */
  #look(): void {
    this.#looks += 1;
    const oldest = this.#calls.values().next().value;
    this.#stopLooking = oldest === undefined ? undefined : this.#clock.after(this.#timeoutMs / LOOKS, () => this.#look());
    if (oldest === undefined || this.#looks - oldest.made <= LOOKS) return;
    // What follows on this connection would wait behind the same silence.
    this.#lose(this.#unavailable(`no answer within ${this.#timeoutMs} ms`));
    this.#redis.stream.destroy();
  }

  #load(script: Script, greeting = false): Promise<unknown> {
    const request = this.#request.begin().text("LOAD").text(script.source);
    return this.#send("script", request.finishCommand("SCRIPT"), greeting);
  }

  // ── the state of the connection ─────────────────────────────────────────────────────────────────────────────────

  /** Looks whether the server that was just reached can be used, and is still the same; gives it our scripts. */
  async #greet(): Promise<void> {
    const greeting = ++this.#greeting;
    try {
      const facts = readServerFacts(asText(await this.#send("info", this.#request.begin().finishCommand("INFO"), true)), this.#node ? "node" : "server");
      const refusal = this.#reading ? facts.refusalToRead : facts.refusal;
      // One that was a primary may be one again, or its name may lead to the new one: whoever works waits for that.
      if (refusal !== undefined && facts.replica && this.#identity !== undefined) throw this.#unavailable(refusal);
      if (refusal !== undefined) throw new StoreRefusedError(`${this.#address}: ${refusal}`);
      if (this.#wanted !== undefined) checkOffered(facts, this.#wanted, this.#address);
      const scripts = this.#reading ? READING_SCRIPTS : [PROBE, ...SCRIPTS];
      await Promise.all(scripts.map((script) => this.#load(script, true)));
      if (!this.#reading && !this.#node) await this.#probe();
      if (greeting !== this.#greeting || this.#state === "closed") return;
      if (this.#identity !== undefined && this.#identity !== facts.identity) this.#generation += 1;
      this.#identity = facts.identity;
      this.#server = describeServer(facts);
      this.#state = "open";
      this.#opening?.resolve();
      this.#opening = undefined;
      // Where it is forbidden, whoever runs the server has to see to it.
      if (this.#rewrites && facts.rewriteIsDue) this.#send("bgrewriteaof", this.#request.begin().finishCommand("BGREWRITEAOF")).catch(() => {});
    } catch (error) {
      if (greeting === this.#greeting && this.#state !== "closed") this.#refuse(this.#meaningOf(error));
    }
  }

  /** Runs once what the scripts will do: better refused now than in the middle of a commit. */
  async #probe(): Promise<void> {
    try {
      await this.#send("evalsha", this.#request.begin().key(this.#keys.probe).finishScript(PROBE.sha), true);
    } catch (error) {
      const meaning = this.#meaningOf(error);
      if (!(meaning instanceof InvariantError)) throw meaning;
      throw new StoreRefusedError(`${this.#address}: scripts cannot do there what they must (${messageOf(error)}); ${this.#remedy}`);
    }
  }

  #refuse(reason: Error): void {
    this.#state = "refused";
    this.#reason = reason;
    if (this.#opening !== undefined) this.#fail(reason);
    else this.#stopAsking = this.#clock.after(ASK_AGAIN_MS, () => this.#redis.stream.destroy());
  }

  /** The connection is gone; the library makes another. */
  #lose(reason?: Error): void {
    if (this.#state === "closed") return;
    this.#stopAsking?.();
    const known = this.#state === "connecting" ? this.#reason : undefined;
    this.#state = "connecting";
    this.#greeting += 1;
    this.#reason = reason ?? known ?? this.#unavailable("the connection was lost");
    this.#rejectCalls(this.#reason);
    if (this.#opening !== undefined) this.#fail(this.#reason);
  }

  /** Opening has failed. */
  #fail(reason: Error): void {
    const opening = this.#opening;
    this.#opening = undefined;
    if (opening === undefined) return;
    this.#end(reason);
    this.#redis.disconnect();
    opening.reject(reason);
  }

  #end(reason: Error): void {
    this.#state = "closed";
    this.#reason = reason;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    this.#stopAsking?.();
    this.#rejectCalls(reason);
  }

  #rejectCalls(reason: Error): void {
    const calls = [...this.#calls];
    this.#calls.clear();
    for (const { reject } of calls) reject(reason);
  }

  // ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get #remedy(): string {
    const { permissions, readingPermissions } = this.#keys;
    return `allow the user what Millrace needs (ACL SETUSER: ${this.#reading ? readingPermissions : permissions})`;
  }

  #unavailable(what: string): StoreUnavailableError {
    return new StoreUnavailableError(`${this.#address}: ${what}`);
  }

  #meaningOf(error: unknown): Error {
    // The primary became a replica: only a new connection finds the new primary.
    if (isOfReplica(error) && this.#state === "open") this.#redis.stream.destroy();
    return meaningOf(error, this.#address, this.#remedy);
  }
}
