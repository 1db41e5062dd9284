/**
 * The streams that take records, over HTTP and from the program itself (`pushes.ts`), and the answer to a request that
 * brings some: nothing is answered before what was handed in is durable, or known not to be known.
 */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../clock.ts";
import { traceparentOf } from "../computation/trace-context.ts";
import { ConfigError, StoreUnavailableError } from "../errors.ts";
import { doorOf } from "../injectors/door-source.ts";
import { HttpReceipt } from "../injectors/http-receipt.ts";
import type { Metric } from "../inspect/prometheus.ts";
import { RequestError } from "../inspect/request-error.ts";
import { isoOf } from "../inspect/times.ts";
import type { DurabilityLevel, RepliesView, StreamDoorView, StreamsView, TakenView } from "../inspect/views.ts";
import { HTTP_BODY_BYTES, HTTP_UPLOADS } from "../limits.ts";
import type { Random } from "../random.ts";
import type { PipelineStore } from "../store/store.ts";
import type { PlannedInjector } from "../worker/plan.ts";
import type { StoredBarrier } from "../worker/stored-barrier.ts";
import type { Worker } from "../worker/worker.ts";
import type { Barrier } from "../worker/barrier.ts";
import { Body } from "./body.ts";
import { type BodyKind, bodyKindOf, idempotencyKeyOf } from "./body-kind.ts";
import { Downstream } from "./downstream.ts";
import { Forwarder } from "./forwarder.ts";
import { Intake } from "./intake.ts";
import { NOT_OWNER, type PeerAnswer } from "./peer-call.ts";
import type { ReadOutcome } from "./read-outcome.ts";
import { PATIENCE, refusedError, uploadLines, uploadWhole } from "./upload.ts";

const LEVELS: readonly DurabilityLevel[] = ["committed", "fsynced"];
const OUTCOMES = ["accepted", "duplicate", "refused"] as const;

/** ms that a request waits for what is downstream of its records: by default, and at most. */
const WAIT = 10_000;
const LONGEST_WAIT = 60_000;

/** ms that a body is waited for beyond the time of the worker it is passed on to. */
const BEYOND = 10_000;
export const SEND_AGAIN = "send again with the same ids, what is known by them is taken once";

/** What a request asks for, as it stands in its URL. */
export interface Asked {
  readonly level?: string | undefined;
  readonly wait?: string | undefined;
  readonly timeout?: string | undefined;
}

export interface IngestionOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is promised of records, and waited for. */
export interface Promised {
  readonly level: DurabilityLevel;
  /** ms to wait for what is downstream of them; undefined: not at all. */
  readonly patience: number | undefined;
}

/** What another worker has answered, which is the answer. */
export interface PassedOn {
  readonly passedOn: PeerAnswer;
}

export class Ingestion {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #intakes = new Map<string, Intake>();
  readonly #downstream: Downstream;
  readonly forwarder: Forwarder;
  /** Requests whose bodies are being read. */
  #uploads = 0;

  /** ConfigError where two injectors would take the records of one stream. */
  constructor({ worker, store, clock, random }: IngestionOptions) {
    this.forwarder = new Forwarder({ worker, store, clock });
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
    this.#downstream = new Downstream({ worker, store, clock });
    for (const planned of worker.engine.options.plan.participants) {
      if (planned.kind !== "injector") continue;
      const found = doorOf(planned.node.source);
      if (found === undefined) continue;
      const { door, posted } = found;
      const intake = new Intake({ worker, planned, door, posted, clock, random });
      if (this.#intakes.has(intake.stream))
        throw new ConfigError(`stream "${intake.stream}" has two injectors of fromHttp or fromPush, and records are handed to a stream: give it one`);
      this.#intakes.set(intake.stream, intake);
    }
  }

  async view(): Promise<StreamsView> {
    const { name, engine } = this.#worker;
    return {
      pipeline: engine.options.plan.graph.pipeline,
      worker: name,
      now: this.#clock.now(),
      streams: await Promise.all([...this.#posted()].map(async (intake) => this.#viewOf(intake))),
    };
  }

  /** Those that clients post to. */
  #posted(): Intake[] {
    return [...this.#intakes.values()].filter(({ posted }) => posted);
  }

  async #viewOf(intake: Intake): Promise<StreamDoorView> {
    const base = { stream: intake.stream, injector: intake.planned.name, waiting: intake.waiting };
    if (intake.isOpen) return { ...base, open: true, reason: null, owner: this.#worker.name };
    const owner = await this.forwarder.peers.ownerOf(intake.shard);
    if (owner.kind === "peer") return { ...base, open: true, reason: null, owner: owner.peer.worker };
    if (owner.kind === "nobody") return { ...base, open: false, reason: intake.whyClosed, owner: null };
    return { ...base, open: false, reason: `injector ${base.injector} belongs to worker ${owner.worker}, which ${owner.reason}`, owner: owner.worker };
  }

  metrics(): Metric[] {
    return [
      {
        name: "millrace_http_records_total",
        help: "Records that clients sent or the program pushed, by what became of them. Since the process started.",
        type: "counter",
        samples: [...this.#intakes.values()].flatMap(({ stream, counted }) =>
          OUTCOMES.map((outcome) => ({ labels: { stream, outcome }, value: counted[outcome] })),
        ),
      },
    ];
  }

  /** The replies to a record, by its id; none is no error, for they may still come. */
  async repliesTo(id: string): Promise<RepliesView> {
    const { name, engine } = this.#worker;
    return { pipeline: engine.options.plan.graph.pipeline, worker: name, now: this.#clock.now(), replies: await this.#downstream.replies([id]) };
  }

  /** Takes the records of a request. RequestError says why not, and of which it did. */
  async take(request: IncomingMessage, stream: string, asked: Asked): Promise<TakenView | PassedOn> {
    const body = new Body(request, this.#clock);
    try {
      return await this.#take(request, body, stream, asked);
    } finally {
      body.release();
    }
  }

  async #take(request: IncomingMessage, body: Body, stream: string, asked: Asked): Promise<TakenView | PassedOn> {
    const intake = this.#intakeOf(stream, this.forwarder.peers.isForwarded(request.headers) === true);
    const level = LEVELS.find((each) => each === (asked.level ?? "committed"));
    if (level === undefined) throw new RequestError(400, "bad-request", `level is ${LEVELS.map((each) => JSON.stringify(each)).join(" or ")}`);
    const promised = { level, patience: patienceOf(asked) };
    const kind = whatWasRead(bodyKindOf(request.headers), 415, "unsupported-media-type");
    const key = whatWasRead(idempotencyKeyOf(request.headersDistinct), 400, "bad-request");
    if (!intake.isOpen && !this.#store.exclusive) {
      const passedOn = await this.#passOn(intake, request, body, kind);
      if (passedOn !== undefined) return { passedOn };
    }
    intake.checkReady();
    const receipt = new HttpReceipt(traceparentOf(request.headers["traceparent"]));
    return await this.takeHere(intake, promised, receipt, async () => {
      const upload = { intake, body, headers: request.headers, key, receipt };
      await this.#reading(async () => (kind === "lines" ? uploadLines(upload, this.#clock) : uploadWhole(upload, kind)));
    });
  }

  /** Takes what `hand` hands in, and answers when that is as durable as was promised. RequestError says why not, and of which it is. */
  async takeHere(intake: Intake, { level, patience }: Promised, receipt: HttpReceipt, hand: () => Promise<void>): Promise<TakenView> {
    if (level === "fsynced") await this.#checkFsynced();
    const barrier = patience === undefined ? undefined : await this.#downstream.barrier(intake.planned);
    const stopped = await whatStopped(hand);
    await intake.settled(receipt);
    if (level === "fsynced") await this.#flushed(receipt);
    const answer = answerOf(intake.stream, level, receipt, stopped);
    return barrier === undefined ? answer : await this.#followed(answer, barrier, intake.planned, patience as number);
  }

  /** Where the records of a stream are handed in; undefined: it takes none. */
  intakeOf(stream: string): Intake | undefined {
    return this.#intakes.get(stream);
  }

  close(): void {
    this.forwarder.close();
  }

  /** The answer of the worker that owns the injector; undefined: this one does by now. */
  async #passOn(intake: Intake, request: IncomingMessage, body: Body, kind: BodyKind): Promise<PeerAnswer | undefined> {
    if (this.forwarder.peers.isForwarded(request.headers)) throw new RequestError(503, NOT_OWNER, intake.whyClosed);
    const wanted = { shard: intake.shard, what: `injector ${intake.planned.name}`, here: () => intake.isOpen };
    return await this.#reading(async () => {
      if (kind === "lines") {
        const isReady = (answer: PeerAnswer) => takesNow(answer, intake.stream);
        // Longer than the other waits, so that it is the other that says how much it has taken.
        const body_ = { next: () => body.next(this.#clock.now() + PATIENCE + BEYOND) };
        return await this.forwarder.stream(wanted, request, body_, { asking: { path: "/v1/streams", isReady }, unknown: SEND_AGAIN });
      }
      const bytes = await body.whole(HTTP_BODY_BYTES, PATIENCE);
      const { url: path = "/", rawHeaders } = request;
      return await this.forwarder.ask(wanted, { method: "POST", path, rawHeaders, bytes }, SEND_AGAIN);
    });
  }

  /** The answer once everything downstream is committed, or has not been for `patience` ms. */
  async #followed(answer: TakenView, barrier: Barrier | StoredBarrier, injector: PlannedInjector, patience: number): Promise<TakenView> {
    if (answer.duplicates > 0) barrier.includeEarlier();
    const complete = (await this.#downstream.passed(barrier, injector, patience)) === "passed";
    return { ...answer, complete, replies: await this.#downstream.replies((answer.results ?? []).map(({ id }) => id)) };
  }

  /** Reads a body, as one of those that may be read at once. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    if (this.#uploads >= HTTP_UPLOADS) throw new RequestError(503, "back-pressure", `${HTTP_UPLOADS} requests are being read already: send again later`);
    this.#uploads += 1;
    try {
      return await read();
    } finally {
      this.#uploads -= 1;
    }
  }

  /** What is pushed is taken of this pipeline's other workers alone. */
  #intakeOf(stream: string, ofWorker: boolean): Intake {
    const intake = this.#intakes.get(stream);
    if (intake !== undefined && (intake.posted || ofWorker)) return intake;
    const names = this.#posted()
      .map((each) => each.stream)
      .join(", ");
    throw new RequestError(
      404,
      "not-found",
      names === "" ? "no stream takes records: none has an injector of fromHttp" : `no stream of this name takes records; these do: ${names}`,
    );
  }

  /** Before anything is taken: it would be, without the promise that was asked for. */
  async #checkFsynced(): Promise<void> {
    const reason = await this.#store.whyNotFsynced();
    if (reason !== undefined) throw new RequestError(409, "not-fsynced", `the store cannot promise level fsynced: ${reason}`);
  }

  async #flushed(receipt: HttpReceipt): Promise<void> {
    try {
      await this.#store.flushed();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      throw unknownError(receipt, "what was committed is not known to be on the disk");
    }
  }
}

/** Does a worker's answer to `/v1/streams` say that it takes the records of this stream itself? */
function takesNow({ body }: PeerAnswer, stream: string): boolean {
  const { worker, streams } = JSON.parse(body.toString()) as StreamsView;
  return streams.some((each) => each.stream === stream && each.open && each.owner === worker);
}

/** ms to wait for what is downstream; undefined: not at all. */
function patienceOf({ wait, timeout }: Asked): number | undefined {
  if (wait !== undefined && wait !== "effects") throw new RequestError(400, "bad-request", 'wait is "effects"');
  if (timeout === undefined) return wait === undefined ? undefined : WAIT;
  if (wait === undefined) throw new RequestError(400, "bad-request", "timeout goes with wait=effects");
  const patience = Number(timeout);
  if (!/^\d+$/.test(timeout) || patience > LONGEST_WAIT) throw new RequestError(400, "bad-request", `timeout is an integer from 0 to ${LONGEST_WAIT}, in ms`);
  return patience;
}

/** undefined: nothing did. */
async function whatStopped(hand: () => Promise<void>): Promise<RequestError | undefined> {
  try {
    await hand();
    return undefined;
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

function whatWasRead<T>(outcome: ReadOutcome<T>, status: number, code: string): T {
  if ("read" in outcome) return outcome.read;
  throw new RequestError(status, code, outcome.refused);
}

/** The answer to a request all of whose records are told of, or that was stopped. Every claim in it holds at `level`. */
function answerOf(stream: string, level: DurabilityLevel, receipt: HttpReceipt, stopped: RequestError | undefined): TakenView {
  if (stopped !== undefined) throw withTaken(stopped, receipt);
  const [refused] = receipt.refused;
  if (refused !== undefined) throw withTaken(refusedError(refused, "it is in dead letters; those that are not refused are taken", receipt.refused), receipt);
  if (receipt.unknown + receipt.waiting > 0) throw unknownError(receipt, "the worker could not learn whether everything was committed");
  if (receipt.untaken > 0)
    throw withTaken(new RequestError(503, "not-open", "the worker stopped, or lost the injector, before everything was taken: send again"), receipt);
  return {
    stream,
    level,
    records: receipt.handed,
    duplicates: receipt.duplicates,
    ...(receipt.records === undefined
      ? {}
      : {
          results: receipt.records.map(({ id, duplicate, timestamp }) => ({ id, duplicate, timestamp: timestamp ?? null, timestampIso: isoOf(timestamp) })),
        }),
  };
}

function unknownError(receipt: HttpReceipt, what: string): RequestError {
  return withTaken(new RequestError(503, "unknown", `${what}: send again with the same ids, what is known by them is taken once`), receipt);
}

/** With how many records the request has brought in all the same. */
function withTaken(error: RequestError, receipt: HttpReceipt): RequestError {
  const { statusCode, code, message, details } = error;
  const taken = { records: receipt.injected + receipt.duplicates, duplicates: receipt.duplicates, unknown: receipt.unknown + receipt.waiting };
  return new RequestError(statusCode, code, message, { details: { ...details, ...taken } });
}
