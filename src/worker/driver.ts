/**
 * The shell around the engine: carries its effects out on the real store, sources and sinks, and tells it what came of
 * them. It decides nothing.
 *
 * D1  Every effect is answered once, by success or failure; an answer that comes after `stop` is ignored.
 * D2  `settled` tells when nothing is under way and the engine has nothing to do before its next wake-up.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Effect } from "./effect.ts";
import type { Engine } from "./engine.ts";
import { makeRoom, releaseAll, waitUntil } from "./giving-up.ts";
import { OpenEdges } from "./open-edges.ts";
import { Outage } from "./outage.ts";
import { GraphChangedError } from "./plan.ts";
import { read } from "./reads.ts";

/** What is read of a shard when it is acquired. */
const RECOVER = { timers: 10_000, holds: 10_000 };
/** ms after which the engine is told that the store did not answer. */
const PAUSE = 20;
/** ms, at most, that the engine's turn waits for what was sent to leave the process. */
const SENDING = 5;

export interface DriverOptions {
  readonly engine: Engine;
  readonly store: PipelineStore;
  readonly clock: Clock;
  readonly worker: string;
  readonly leaseMs: number;
  /** What the worker says of itself to whoever asks. */
  readonly about: () => string;
  readonly log: (level: "debug" | "info" | "warn" | "error", text: string, fields: object) => void;
}

type Of<Kind extends Effect["kind"]> = Extract<Effect, { readonly kind: Kind }>;

export class Driver {
  readonly #engine: Engine;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #options: DriverOptions;
  readonly #edges: OpenEdges;
  readonly outage = new Outage();
  #generation: number;
  #scheduled = false;
  #underWay = 0;
  #handlers = 0;
  #cancelWake: (() => void) | undefined = undefined;
  #stopped = false;
  #leaving: Promise<void> | undefined = undefined;
  #settle: (() => void)[] = [];
  /** Was a source asked for more since it was last looked whether all is settled? */
  #pulled = false;
  readonly finished: Promise<void>;
  #finish: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#engine = options.engine;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#generation = options.store.generation;
    this.#edges = new OpenEdges(options.engine, options.clock, (text) => options.log("warn", text, {}));
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.finished.catch(() => {});
  }

  start(): void {
    this.#engine.start(this.#clock.now());
    this.kick();
  }

  /** Lets the engine work soon. */
  kick(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#clock.soon(() => this.#whenSent());
  }

  /** A turn keeps the thread for long: meanwhile the store would wait for the end of a call of which the socket had no room for more. */
  #whenSent(): void {
    const sent = this.#store.sent();
    if (sent === undefined) {
      this.#begin();
      return;
    }
    let begun = false;
    const begin = (): void => {
      if (!begun) this.#begin();
      begun = true;
    };
    const stop = this.#clock.after(SENDING, begin);
    void sent.then(stop).then(begin);
  }

  #begin(): void {
    this.#scheduled = false;
    this.#turn();
  }

  #turn(): void {
    if (this.#stopped || this.#leaving !== undefined) return;
    let more = false;
    // Before any effect goes out: what is remembered of another store would be taken for true by this one.
    this.#noticeOtherStore();
    try {
      more = this.#engine.turn(this.#clock.now());
      this.#carryOutAll();
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    if (more) {
      this.kick();
      return;
    }
    const at = this.#engine.wakeAt();
    const now = this.#clock.now();
    if (at <= now) this.kick();
    else if (at !== Number.POSITIVE_INFINITY) {
      this.#cancelWake = this.#clock.after(at - now, () => this.kick());
    }
    this.#checkSettled();
  }

  /** Resolves when everything that can happen without the outside or the clock has happened. */
  settled(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settle.push(resolve);
      this.kick();
    });
  }

  #checkSettled(): void {
    if (this.#settle.length === 0 || this.#scheduled || this.#underWay > 0) return;
    // What a source has at hand it gives before the next turn; what it has to wait for is not waited for.
    if (this.#pulled) {
      this.#pulled = false;
      this.kick();
      return;
    }
    const waiting = this.#settle;
    this.#settle = [];
    for (const resolve of waiting) resolve();
  }

  #failed(error: unknown): void {
    if (error instanceof GraphChangedError) this.#leaving ??= this.#leave(error).catch(() => {});
    else this.#fail(error);
    if (this.#leaving === undefined) void this.halt();
  }

  // ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #carryOutAll(): void {
    // A promise is looked at whatever happens: its rejection would end the process.
    for (const effect of this.#engine.takeEffects()) if (!this.#stopped || effect.kind === "await") this.#carryOut(effect);
  }

  /** What was asked for outside of a turn does not wait for the next one, which may work on records for long: each step of taking a shard over would. */
  #carryOutNow(): void {
    this.#noticeOtherStore();
    this.#carryOutAll();
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "commit":
      case "deliver":
      case "report":
      case "recover":
        this.#write(effect);
        break;
      case "announce":
      case "depart":
      case "acquire":
      case "register":
      case "renew":
      case "release":
        this.#own(effect);
        break;
      case "read-inbox":
      case "read-state":
      case "read-names":
      case "read-timers":
      case "read-holds":
      case "read-ids":
      case "read-tails":
      case "read-heads":
        read(
          effect,
          this.#engine,
          this.#store,
          () => this.#clock.now(),
          (answer, told) => this.#ask(answer, told),
        );
        break;
      case "await":
        this.#await(effect);
        break;
      case "open-source":
      case "pull":
      case "confirm":
      case "open-sink":
      case "write-sink":
      case "close-edge":
        this.#pulled ||= effect.kind === "pull";
        this.#track(this.#edges.carryOut(effect), effect.kind === "pull");
        break;
      case "log":
        this.#options.log(effect.level, effect.text, effect.fields);
        break;
      case "finished":
        this.#track(
          this.#store.flushed().then(
            () => this.#finish(),
            (error: unknown) => this.#failed(error),
          ),
        );
        break;
      case "failed":
        this.#failed(effect.error);
        break;
    }
  }

  #await({ promise, settled }: Of<"await">): void {
    this.#handlers++;
    const done = (error: unknown, failed: boolean) => {
      this.#handlers--;
      settled(error, failed);
      // The call that was started behind this one may reject before the next turn.
      this.#carryOutNow();
    };
    this.#track(
      Promise.resolve(promise).then(
        () => done(undefined, false),
        (error: unknown) => done(error, true),
      ),
      true,
    );
  }

  /** Handlers whose promises have not settled, and sources that wait for their schema. */
  get handlers(): number {
    return this.#handlers + this.#edges.validating;
  }

  /** Follows a promise that settles whatever happens, and lets the engine work after it. */
  #track(promise: Promise<unknown>, outside = false): void {
    if (!outside) this.#underWay++;
    const done = () => {
      if (!outside) this.#underWay--;
      this.#noticeOtherStore();
      this.kick();
    };
    promise.then(done, (error: unknown) => {
      done();
      this.#failed(error);
    });
  }

  /** Asks the store; a store that does not answer is an answer too. */
  #ask<T>(answer: Promise<T>, told: (value: T | undefined) => void): void {
    this.#track(
      answer
        .then(
          (value) => {
            this.#warn(this.outage.answered(this.#clock.now()));
            told(value);
            this.#carryOutNow();
          },
          (error: unknown) => {
            if (!(error instanceof StoreUnavailableError)) throw error;
            this.#warn(this.outage.missed(this.#clock.now(), error.message));
            // Not at once: a store that is away refuses at once, and the engine may ask again at once.
            this.#clock.after(PAUSE, () => {
              if (this.#stopped) return;
              told(undefined);
              this.kick();
            });
          },
        )
        .then(() => undefined),
    );
  }

  #warn(text: string | undefined): void {
    if (text !== undefined && !this.#stopped) this.#options.log("warn", text, {});
  }

  #noticeOtherStore(): void {
    if (this.#store.generation === this.#generation) return;
    this.#generation = this.#store.generation;
    this.#options.log("warn", "the store is another than before (restart or failover): everything is read anew", {});
    this.#engine.loseAll();
  }

  #write(effect: Of<"commit" | "deliver" | "report" | "recover">): void {
    const engine = this.#engine;
    const store = this.#store;
    const { worker } = this.#options;
    const now = () => this.#clock.now();
    switch (effect.kind) {
      case "commit":
        this.#ask(store.commit(effect.commits), (reply) =>
          reply === undefined ? engine.onCommitFailed(now(), effect.call) : engine.onCommitReply(now(), effect.call, reply),
        );
        break;
      case "deliver":
        this.#ask(store.deliver(effect.deliveries), (reply) => engine.onDelivered(now(), effect.call, reply));
        break;
      case "report":
        this.#ask(store.report(worker, effect.reports), (reply) => engine.reporter.onReport(effect.reports, reply));
        break;
      case "recover":
        this.#ask(store.recover(effect.shards, RECOVER), (recovered) => engine.ownership.onRecovered(effect.shards, recovered));
        break;
    }
  }

  #own(effect: Of<"announce" | "depart" | "acquire" | "register" | "renew" | "release">): void {
    const engine = this.#engine;
    const store = this.#store;
    const { worker, leaseMs, about } = this.#options;
    switch (effect.kind) {
      case "announce":
        for (const name of effect.declined) this.#ask(store.announce(name, effect.ms), () => {});
        this.#ask(store.announce(worker, effect.ms, about()), (announced) => engine.ownership.onAnnounced(announced));
        break;
      case "depart":
        this.#ask(store.depart(worker), () => {});
        break;
      case "acquire":
        this.#ask(store.acquire({ worker, shards: effect.shards, leaseMs, steal: store.exclusive || effect.steal === true }), (outcomes) =>
          engine.ownership.onAcquired(effect.shards, outcomes),
        );
        break;
      case "register":
        this.#ask(store.register(worker, effect.intervals), (registrations) => engine.ownership.onRegistered(effect.intervals, registrations));
        break;
      case "renew":
        this.#ask(store.renew(worker, effect.leases, leaseMs, effect.confirm), (reply) => engine.ownership.onRenewed(effect.leases, reply?.lost));
        break;
      case "release":
        this.#ask(store.release(worker, effect.leases), () => {});
        break;
    }
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Finishes what was begun, gives the shards up, and lets go of everything; at most about `limit` ms. */
  async stop(limit: number): Promise<void> {
    await this.#leaving;
    if (this.#stopped) return;
    this.#engine.stop(this.#clock.now());
    this.#carryOutAll();
    const done = () => {
      this.kick();
      return this.#engine.drained || this.#stopped;
    };
    await waitUntil(done, this.#clock, limit);
    await this.#giveUp();
  }

  /** Nothing more that it does is committed: workers of the other graph are to have its shards at once. */
  async #leave(error: GraphChangedError): Promise<void> {
    await makeRoom(this.#engine, this.#store, this.#clock).catch(() => {});
    await this.#giveUp().finally(() => this.#fail(error));
  }

  async #giveUp(): Promise<void> {
    if (this.#stopped) return;
    const leases = this.#engine.ownership.leases();
    await this.halt();
    await releaseAll(this.#store, this.#options.worker, leases);
  }

  /** Stops where it stands: nothing more is sent. The edges are closed. */
  async halt(): Promise<void> {
    this.#stopped = true;
    this.#cancelWake?.();
    for (const shard of this.#engine.shards.values()) shard.close();
    await this.#edges.closeAll();
    for (const resolve of this.#settle.splice(0)) resolve();
  }
}
