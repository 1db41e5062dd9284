/**
 * Records that the program hands in itself, by `running.push`: taken as a request's are, here or by the worker that owns
 * the injector, which is passed them as one request.
 *
 * P1  What becomes of a record does not depend on who owns the injector: a value is what JSON makes of it, on either way.
 * P2  Each push has an id before anything is tried, so it may be tried again here as long as nothing of it was taken.
 * P3  A record goes on with the trace of the span in which it was pushed, on either way.
 * P3  Of all that are not handed in yet `TRYING` are tried at a time, in the order in which they came.
 */
import type { Clock } from "../clock.ts";
import { checkInteger } from "../computation/checks.ts";
import { checkStream, type Stream } from "../computation/stream.ts";
import { type TraceContext, traceparent } from "../computation/trace-context.ts";
import { InvalidUseError, RecordNotTakenError, RecordRefusedError, StoreRefusedError, StoreUnavailableError } from "../errors.ts";
import { HttpReceipt } from "../injectors/http-receipt.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { DurabilityLevel, ErrorView, ReplyView, TakenView } from "../inspect/views.ts";
import { checkOptions, show } from "../options.ts";
import type { Random } from "../random.ts";
import type { Tracing } from "../worker/tracing.ts";
import { idempotencyKeyOf } from "./body-kind.ts";
import { type Ingestion, type Promised, SEND_AGAIN } from "./ingestion.ts";
import type { Intake } from "./intake.ts";
import { jsonBytes } from "./json-bytes.ts";
import { readJson } from "./json-text.ts";
import type { PeerAnswer } from "./peer-call.ts";
import { Turns } from "./turns.ts";
import { refusedError } from "./upload.ts";

export interface PushOptions {
  /**
   * By which the record is known: pushed again under it, it is taken once. 1 to 256 visible ASCII letters. Default: a new one,
   * by which nobody can push it again. Where the injector has an `id`, that one counts.
   */
  readonly id?: string | undefined;
  /** Event time, ms since the epoch, where the injector has no `timestamp`. Default: the time of arrival. */
  readonly timestamp?: number | undefined;
  /** `fsynced`: on the disk, where the store can promise that. Default: `committed`, the record outlives the process. */
  readonly level?: DurabilityLevel | undefined;
  /** Waits so many ms, 0 to 60,000, until everything downstream of the record is committed too. Default: not at all. */
  readonly wait?: number | undefined;
}

/** A record that is durable. */
export interface Pushed {
  readonly id: string;
  /** It was known by its id, and changes nothing. */
  readonly duplicate: boolean;
  /** Event time, ms since the epoch; undefined for a duplicate: the first one's counts. */
  readonly timestamp: number | undefined;
  /** With `wait`: is everything downstream committed? Otherwise it took too long, or cannot be told. */
  readonly complete?: boolean;
  /** With `wait`: the replies to the record. */
  readonly replies?: readonly ReplyView[];
}

/** A record on its way. */
interface Push {
  readonly where: string;
  readonly id: string;
  readonly timestamp: number | undefined;
  readonly promised: Promised;
  readonly bytes: Uint8Array;
  readonly parent: TraceContext | undefined;
}

/** ms that a push goes on while nothing of it is taken, and between two tries. */
const PATIENCE = 30_000;
const PAUSE = 25;
const LONGEST_WAIT = 60_000;
/** Pushes that are tried at once; others wait for their turn. */
const TRYING = 1_024;
/** No time that is passed on to another worker is before the year 1 or after the year 9999: that text has no more. */
const EARLIEST = -62_135_596_800_000;
const LATEST = 253_402_300_799_999;

export class Pushes {
  readonly #ingestion: Ingestion;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #tracing: Tracing | undefined;
  readonly #turns = new Turns(TRYING);

  constructor(ingestion: Ingestion, clock: Clock, random: Random, tracing?: Tracing) {
    this.#ingestion = ingestion;
    this.#clock = clock;
    this.#random = random;
    this.#tracing = tracing;
  }

  async push(stream: Stream<any>, value: unknown, options: PushOptions = {}): Promise<Pushed> {
    checkStream("push", stream);
    const where = `push to stream ${show(stream.name)}`;
    const intake = this.#ingestion.intakeOf(stream.name);
    if (intake === undefined) throw new InvalidUseError(`${where}: no injector of fromPush or fromHttp feeds it; give it one by pipeline.inject`);
    const push = this.#checked(where, value, options);
    const until = this.#clock.now() + PATIENCE;
    const handed = await this.#turns.take(PATIENCE, this.#clock);
    if (handed === undefined) throw new RecordNotTakenError(`${where}: too many pushes before it wait for room: push it again later`, "no");
    try {
      return await this.#inTurn(intake, push, until, handed);
    } finally {
      handed();
    }
  }

  async #inTurn(intake: Intake, push: Push, until: number, handed: () => void): Promise<Pushed> {
    const { where } = push;
    for (;;) {
      try {
        return pushedOf(await this.#once(intake, push, handed));
      } catch (error) {
        if (error instanceof StoreUnavailableError) throw new RecordNotTakenError(`${where}: ${error.message}`, "unknown", { cause: error });
        if (!(error instanceof RequestError)) throw error;
        if (!mayComeAgain(error) || this.#clock.now() >= until || intake.stopping) throw errorOf(where, error);
      }
      await new Promise<void>((resolve) => void this.#clock.after(PAUSE, resolve));
    }
  }

  #checked(where: string, value: unknown, options: PushOptions): Push {
    checkOptions(where, options, ["id", "timestamp", "level", "wait"]);
    const { id = this.#random.id(), timestamp, level = "committed", wait } = options;
    if (typeof id !== "string" || "refused" in idempotencyKeyOf({ "idempotency-key": [quoted(id)] }))
      throw new RecordRefusedError(`${where}: id is ${show(id)}; it is visible ASCII letters`);
    if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= EARLIEST && timestamp <= LATEST))
      throw new RecordRefusedError(`${where}: timestamp is ${show(timestamp)}; it is integer ms since the epoch, at most those of the year 9999`);
    if (level !== "committed" && level !== "fsynced") throw new InvalidUseError(`${where}: level is "committed" or "fsynced", but it is ${show(level)}`);
    if (wait !== undefined) checkInteger(where, "wait", wait, 0, LONGEST_WAIT);
    const text = jsonBytes(value);
    if ("refused" in text) throw new RecordRefusedError(`${where}: ${text.refused}`);
    return { where, id, timestamp, promised: { level, patience: wait }, bytes: text.read, parent: this.#tracing?.active() };
  }

  /** RequestError where it is not taken, or not known to be. */
  async #once(intake: Intake, push: Push, handed: () => void): Promise<TakenView> {
    if (!intake.isOpen) {
      const wanted = { shard: intake.shard, what: `injector ${intake.planned.name}`, here: () => intake.isOpen };
      const answer = await this.#ingestion.forwarder.ask(wanted, requestOf(intake.stream, push), SEND_AGAIN);
      if (answer !== undefined) return takenOf(answer);
    }
    const receipt = new HttpReceipt(push.parent);
    const json = readJson(push.bytes);
    return await this.#ingestion.takeHere(intake, push.promised, receipt, async () => {
      const draft = { value: "read" in json ? json.read : undefined, id: undefined, timestamp: push.timestamp };
      const checked = await intake.check(draft, push.id, push.bytes.length);
      if ("refused" in checked) throw refusedError({ index: 0, id: push.id, reason: checked.refused }, "it is not taken", []);
      await intake.handInTurn([checked.read], receipt);
      handed();
    });
  }
}

/** Nothing of it was taken, and that may be otherwise in a moment. An owner that was not found was waited for already, and has no details. */
function mayComeAgain({ code, details }: RequestError): boolean {
  const { records = 0, unknown = 0 } = (details ?? {}) as { readonly records?: number; readonly unknown?: number };
  if (records + unknown > 0) return false;
  return code === "back-pressure" || (code === "not-open" && details !== undefined);
}

/** As an event whose data is the body: an array is one value there, and its time is told. */
function requestOf(stream: string, { id, timestamp, promised: { level, patience }, bytes, parent }: Push) {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "idempotency-key": quoted(id),
    "ce-specversion": "1.0",
    "ce-id": encodeURIComponent(id),
    "ce-source": "push",
    "ce-type": "record",
  };
  if (timestamp !== undefined) headers["ce-time"] = new Date(timestamp).toISOString();
  if (parent !== undefined) headers["traceparent"] = traceparent(parent);
  const query = new URLSearchParams({ level, ...(patience === undefined ? {} : { wait: "effects", timeout: String(patience) }) });
  const path = `/v1/streams/${encodeURIComponent(stream)}/records?${query.toString()}`;
  return { method: "POST", path, rawHeaders: Object.entries(headers).flat(), bytes } as const;
}

/** As a header has it, so that quotes and spaces at its ends are its own. */
const quoted = (id: string): string => `"${id}"`;

/** The answer of the worker that owns the injector. */
function takenOf({ status, body }: PeerAnswer): TakenView {
  const json = JSON.parse(body.toString()) as unknown;
  if (status < 300) return json as TakenView;
  const { error, ...details } = json as ErrorView;
  throw new RequestError(status, error.code, error.message, { details });
}

function pushedOf({ results, complete, replies }: TakenView): Pushed {
  const { id = "", duplicate = false, timestamp = null } = results?.[0] ?? {};
  return { id, duplicate, timestamp: timestamp ?? undefined, ...(complete === undefined ? {} : { complete, replies: replies ?? [] }) };
}

function errorOf(where: string, error: RequestError): Error {
  const text = `${where}: ${error.message}`;
  const { code, statusCode } = error;
  if (code === "not-fsynced") return new StoreRefusedError(text, { cause: error });
  if (code === "unknown") return new RecordNotTakenError(text, "unknown", { cause: error });
  if (statusCode >= 500) return new RecordNotTakenError(text, "no", { cause: error });
  return new RecordRefusedError(text, { cause: error });
}
