/**
 * One connection to the Redis of a stream, for one life: once it is lost it stays so, and its user makes another. Owns
 * connecting, time-outs and what errors mean. Knows nothing of streams.
 *
 * C1  Every call settles: with a reply, with a `ConfigError` where only a person can help, else with the error that the
 *     user of the connection has for what passes by itself.
 * C2  Nothing is sent twice, except a script that the server did not have, which then has not run.
 * C3  No error and no description holds credentials.
 */
import type { Redis } from "ioredis";
import type { Clock } from "../clock.ts";
import { ConfigError, messageOf, MillraceError } from "../errors.ts";
import { type ClientOptions, clientOptions, describeTarget, type RedisTarget } from "../store/redis/client-options.ts";
import type { Script } from "../store/redis/script.ts";

/** How long Redis may take to be reached, and to answer, ms. */
const TIMEOUT_MS = 5_000;

type Arguments = readonly (string | number | Buffer)[];

/** Where a stream is: its Redis, and its key there. */
export interface StreamPlace {
  readonly client: ClientOptions;
  readonly key: string;
  /** For people: Redis stream "orders" at redis://127.0.0.1:6379/0. */
  readonly description: string;
}

export function streamPlace(where: string, connection: RedisTarget, key: string): StreamPlace {
  const client = clientOptions(connection, {
    where,
    example: '{ connection: "redis://127.0.0.1:6379/0" }',
    insteadOfKeyPrefix: "give the whole key, and a connection without keyPrefix",
    own: [],
  });
  return { client, key, description: `Redis stream ${JSON.stringify(key)} at ${describeTarget(client)}` };
}

export interface ConnectionUser {
  readonly place: StreamPlace;
  readonly clock: Clock;
  /** The error for what passes by itself. */
  readonly unavailable: (what: string, cause?: unknown) => MillraceError;
}

export class StreamConnection {
  readonly #redis: Redis;
  readonly #user: ConnectionUser;
  readonly #open = new Set<(error: Error) => void>();
  /** Why it can no longer be used. */
  #lost: Error | undefined;
  /** What the server or the socket said last that was not an answer to a call. */
  #said: unknown;

  /** Rejects as calls do (C1). */
  static async open(user: ConnectionUser, signal?: AbortSignal): Promise<StreamConnection> {
    // Only here: who does not use Redis does not load the client.
    const { Redis } = await import("ioredis");
    const client = { ...user.place.client, retryStrategy: null, enableReadyCheck: false, disableClientInfo: true };
    const connection = new StreamConnection(user, new Redis(client as unknown as ClientOptions));
    const close = (): void => connection.close();
    signal?.addEventListener("abort", close);
    try {
      if (signal?.aborted === true) close();
      await connection.#connect();
    } catch (error) {
      close();
      throw error;
    } finally {
      signal?.removeEventListener("abort", close);
    }
    return connection;
  }

  private constructor(user: ConnectionUser, redis: Redis) {
    this.#user = user;
    this.#redis = redis;
    redis.on("error", (error: unknown) => (this.#said = error));
    redis.on("close", () => this.#lose("the connection was lost"));
    redis.on("end", () => this.#lose("the connection was lost"));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** @param timeoutMs how long the answer may take; longer for calls that wait. */
  call(command: string, args: Arguments, timeoutMs: number = TIMEOUT_MS): Promise<unknown> {
    return this.#settled(() => this.#redis.call(command, [...args]), timeoutMs);
  }

  run(script: Script, args: Arguments): Promise<unknown> {
    return this.#run(script, args, (command, all) => this.call(command, all));
  }

  /** The same; texts of the reply are Buffers. */
  runForBytes(script: Script, args: Arguments): Promise<unknown> {
    return this.#run(script, args, (command, all) => this.#settled(() => this.#redis.callBuffer(command, [...all]), TIMEOUT_MS));
  }

  async #run(script: Script, args: Arguments, call: (command: string, args: Arguments) => Promise<unknown>): Promise<unknown> {
    const rest = [1, this.#user.place.key, ...args];
    try {
      return await call("EVALSHA", [script.sha, ...rest]);
    } catch (error) {
      if (!messageOf((error as { cause?: unknown }).cause).startsWith("NOSCRIPT")) throw error;
    }
    return call("EVAL", [script.source, ...rest]);
  }

  close(): void {
    this.#lose("the connection was closed");
    this.#redis.disconnect();
  }

  async #connect(): Promise<void> {
    await this.#settled(() => this.#redis.connect(), TIMEOUT_MS);
    // What the library does of itself may have been refused without a word: to read another database would be worse.
    const { db = 0 } = this.#user.place.client;
    if (db !== 0) await this.call("SELECT", [db]);
  }

  #settled<T>(send: () => Promise<T>, timeoutMs: number): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise<T>((resolve, reject) => {
      const giveUp = this.#user.clock.after(timeoutMs, () => {
        this.#lose(`no answer within ${timeoutMs} ms`);
        this.#redis.disconnect();
      });
      const settle = (): void => {
        giveUp();
        this.#open.delete(fail);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      this.#open.add(fail);
      send().then(
        (reply) => {
          settle();
          resolve(reply);
        },
        (error: unknown) => fail(this.#lost ?? this.#meaningOf(error)),
      );
    });
  }

  #lose(what: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = this.#said === undefined ? this.#user.unavailable(what) : this.#meaningOf(this.#said);
    for (const fail of [...this.#open]) fail(this.#lost);
  }

  #meaningOf(given: unknown): Error {
    if (given instanceof MillraceError) return given;
    const error = messageOf(given) === "Connection is closed." ? (this.#said ?? given) : given;
    const text = messageOf(error);
    const meaning = (error as { name?: unknown }).name === "ReplyError" ? permanent(text) : undefined;
    if (meaning === undefined) return this.#user.unavailable(text, error);
    return new ConfigError(`${this.#user.place.description}: ${meaning}`, { cause: error });
  }
}

/** What a person has to do about an answer of the server; undefined: it passes by itself. */
function permanent(text: string): string | undefined {
  const [code = ""] = /^[A-Z]+/.exec(text) ?? [];
  switch (code) {
    case "LOADING":
    case "BUSY":
    case "UNKILLABLE":
    case "TRYAGAIN":
    case "CLUSTERDOWN":
    case "MASTERDOWN":
    // The primary became a replica; another connection finds the new one.
    case "READONLY":
    case "OOM":
    case "MISCONF":
    case "NOREPLICAS":
    case "NOSCRIPT":
      return undefined;
    case "WRONGTYPE":
      return "the key holds something that is not a stream; give another key";
    case "NOAUTH":
    case "WRONGPASS":
      return `the server does not take the user name or password (${text}); give others in \`connection\``;
    case "NOPERM":
      return `${text}; allow the user the stream's key, and EVAL, EVALSHA, EXISTS, XADD, XINFO, XRANGE, XREAD, TIME and SELECT (ACL SETUSER)`;
    case "MOVED":
    case "CROSSSLOT":
      return "the server is a node of a Redis Cluster; give a single node, or a primary behind Sentinels";
    default:
      return /invalid password|without any password/i.test(text)
        ? `the server does not take the user name or password (${text}); give others in \`connection\``
        : `Redis refused what Millrace asks of it (${text}); Redis 7.0 or later, or Valkey 7.2 or later, is needed`;
  }
}
