/**
 * The sink for BullMQ's queues: one job a record. The id of a job is made of its record's, so what a crash writes again is
 * there already; there is nothing to cut back, and no checkpoint.
 */
import { type Sink, sink } from "../computation/edges.ts";
import { systemClock } from "../clock.ts";
import { ConfigError, InvalidUseError, messageOf, SinkUnavailableError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import type { SinkWriter } from "../sinks/sink.ts";
import { type BullMqConnection, checkConnection, type OpenConnection, openConnection } from "./bullmq-connection.ts";
import { type BullMqQueue, closeInTime, loadBullMq } from "./bullmq-module.ts";
import { checkQueueName, jobIdOf } from "./job-id.ts";

export interface BullMqSinkOptions<T> {
  /** The Redis of the queue. A client stays yours to close. */
  readonly connection: BullMqConnection;
  /** First part of BullMQ's keys. Default: BullMQ's own, "bull". */
  readonly prefix?: string | undefined;
  /** Name of the jobs. Default: "record". */
  readonly name?: string | ((record: StreamRecord<T>) => string) | undefined;
  /** Data of a job: plain JSON. Default: the value. */
  readonly data?: ((record: StreamRecord<T>) => unknown) | undefined;
  /** Options of a job, in BullMQ's own words (delay, priority, attempts, ...); its `jobId` is not among them. Default: none. */
  readonly options?: ((record: StreamRecord<T>) => object) | undefined;
  /**
   * Identity of a job among all that are in the queue: the same for the same record, always. Where several pipelines feed one
   * queue, put the pipeline's name before the record's id. Default: `record.id`.
   */
  readonly id?: ((record: StreamRecord<T>) => string) | undefined;
  /** Your own copy of BullMQ, as in `import * as module from "bullmq"`. Default: the one that is installed. */
  readonly module?: object | undefined;
}

/** Tries of a record that BullMQ refuses, or whose functions throw, before it is parked in dead letters. */
const ATTEMPTS = 5;

/**
 * Adds each record to a queue as a job: exactly one for as long as BullMQ keeps that job, since its id is made of the
 * record's. A crash adds the last records again, which changes nothing unless their jobs were removed meanwhile; so keep
 * completed jobs for longer than a restart takes (`removeOnComplete: { age }`). Throws `ConfigError`.
 */
export function toBullMq<T>(queue: string, options: BullMqSinkOptions<T>): Sink<T> {
  const where = `toBullMq (${String(queue)})`;
  checkQueueName(where, queue);
  checkOptions(where, options, ["connection", "prefix", "name", "data", "options", "id", "module"]);
  const {
    connection,
    prefix,
    name = "record",
    data = ({ value }) => value,
    options: optionsOf = () => ({}),
    id = (record) => record.id,
    module,
  } = Object(options) as BullMqSinkOptions<T>;
  checkConnection(where, connection);
  if (prefix !== undefined && (typeof prefix !== "string" || prefix === "")) throw new ConfigError(`${where}: prefix is a text, but it is ${show(prefix)}`);
  if (typeof name !== "string" && typeof name !== "function") throw new ConfigError(`${where}: name is a text or a function, but it is ${show(name)}`);
  for (const [option, it] of Object.entries({ data, options: optionsOf, id }))
    if (typeof it !== "function") throw new ConfigError(`${where}: ${option} is a function of the record, but it is ${show(it)}`);
  if (module !== undefined && (typeof module !== "object" || module === null))
    throw new ConfigError(`${where}: module is what import * as module from "bullmq" gives, but it is ${show(module)}`);
  const jobOf = (record: StreamRecord<unknown>): Job => {
    const given = record as StreamRecord<T>;
    return { name: typeof name === "string" ? name : name(given), data: data(given), opts: { ...optionsOf(given), jobId: checkedId(where, id(given)) } };
  };
  const description = `BullMQ queue ${queue}`;
  return sink<T>({
    kind: "sink",
    description,
    attempts: ATTEMPTS,
    open: async () => {
      const { Queue } = await loadBullMq(where, module);
      // What cannot be sent is the engine's to try again: it has the records.
      const opened = openConnection(where, connection, { maxRetriesPerRequest: 1, enableOfflineQueue: true });
      const added = new Queue(queue, { connection: opened.queue, ...(prefix === undefined ? {} : { prefix }) });
      return new QueueWriter(description, added, jobOf, opened);
    },
  });
}

function checkedId(where: string, id: unknown): string {
  if (typeof id === "string" && id !== "") return jobIdOf(id);
  throw new InvalidUseError(`${where}: id gave ${show(id)}, but the id of a job is a text`);
}

interface Job {
  readonly name: string;
  readonly data: unknown;
  readonly opts: object;
}

class QueueWriter implements SinkWriter {
  readonly #description: string;
  readonly #queue: BullMqQueue;
  readonly #jobOf: (record: StreamRecord<unknown>) => Job;
  readonly #connection: OpenConnection;

  constructor(description: string, queue: BullMqQueue, jobOf: (record: StreamRecord<unknown>) => Job, connection: OpenConnection) {
    this.#description = description;
    this.#queue = queue;
    this.#jobOf = jobOf;
    this.#connection = connection;
    // Each failure reaches the write that it befell.
    queue.on("error", () => {});
  }

  async write(records: readonly StreamRecord<unknown>[]): Promise<undefined> {
    const jobs = records.map((record) => this.#checked(this.#jobOf(record)));
    try {
      await this.#queue.addBulk(jobs);
    } catch (error) {
      if (isRefusal(error)) throw error;
      throw new SinkUnavailableError(`${this.#description} could not be added to: ${messageOf(error)}`, { cause: error });
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#connection.end();
    await closeInTime(this.#queue, systemClock);
    this.#connection.close();
  }

  /** All that may be a record's fault and that BullMQ would say too late, or only to some of a bulk. */
  #checked(job: Job): Job {
    if (typeof job.name !== "string") throw new InvalidUseError(`${this.#description}: name gave ${typeof job.name}, not a text`);
    JSON.stringify(job.data);
    return job;
  }
}

/** Words in which BullMQ itself refuses a job, before anything is sent. */
const REFUSALS =
  /^(Custom Id|JobId cannot|Priority should|Jitter should|Debounce|Deduplication|End date must|The size of job|The following options|Delay and repeat)/;

/** Is the record at fault? What a server or a connection says is not about one record. */
function isRefusal(error: unknown): boolean {
  return REFUSALS.test(messageOf(error));
}
