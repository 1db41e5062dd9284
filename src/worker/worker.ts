/**
 * A worker, put together: the engine, the instances it calls, and the driver that connects both to a store. Made by
 * `run` on the machine's clock and by `PipelineTester` on a virtual one; nothing else differs between them.
 */
import type { Clock } from "../clock.ts";
import type { EffectRunner } from "../effects/effects.ts";
import type { Random } from "../random.ts";
import type { PipelineStore } from "../store/store.ts";
import { Driver } from "./driver.ts";
import { Engine } from "./engine.ts";
import { makeInstances } from "./instances.ts";
import { nameIn, type Place } from "./place.ts";
import type { Plan } from "./plan.ts";
import { Profile } from "./profile.ts";
import { Rejections } from "./rejections.ts";

export interface WorkerOptions {
  readonly plan: Plan;
  readonly store: PipelineStore;
  readonly clock: Clock;
  readonly random: Random;
  /** ms that a dead worker's shards stay its own. */
  readonly leaseMs: number;
  /** Records of one shard in one commit. */
  readonly batchRecords: number;
  /** Bytes of state kept in memory, over all shards. */
  readonly cacheBytes: number;
  /** Freeze what user code reads, so that a change that is not written back is found: tests. */
  readonly frozen: boolean;
  /** ms between watermark reports, at least. Default 2. */
  readonly reportEvery?: number;
  /** As `EngineOptions` has them. */
  readonly parkAfterDeaths?: number;
  readonly chains?: boolean;
  /** Whose place it takes. Default: its own. */
  readonly place?: Place | undefined;
  /** Performs the pipeline's effects; one without effects needs none. */
  readonly runner?: EffectRunner | undefined;
  readonly log: (level: "debug" | "info" | "warn" | "error", text: string, fields: object) => void;
}

export interface Worker {
  readonly name: string;
  readonly engine: Engine;
  readonly driver: Driver;
  readonly runner: EffectRunner | undefined;
  /** What it says of itself. */
  readonly profile: Profile;
  /** What it was told of promises that nothing waited for. */
  readonly rejections: Rejections;
}

export function startWorker(options: WorkerOptions): Worker {
  const worker = makeWorker(options);
  worker.driver.start();
  return worker;
}

/** A worker that does nothing before `driver.start()`. */
export function makeWorker(options: WorkerOptions): Worker {
  const { plan, store, clock, random, leaseMs, log } = options;
  const name = options.place === undefined ? random.id() : nameIn(options.place, random.id());
  const computations = plan.participants.filter((participant) => participant.kind === "computation").length;
  const engine = new Engine({
    plan,
    worker: name,
    random,
    instances: makeInstances(plan, options.runner),
    exclusive: store.exclusive,
    domains: store.domains,
    domainOf: (shard) => store.domainOf(shard),
    now: clock.now(),
    leaseMs,
    batchRecords: options.batchRecords,
    ...(options.parkAfterDeaths !== undefined && { parkAfterDeaths: options.parkAfterDeaths }),
    ...(options.chains !== undefined && { chains: options.chains }),
    cacheBytes: options.cacheBytes / Math.max(1, computations * plan.graph.shards),
    frozen: options.frozen,
    reportEvery: options.reportEvery ?? 2,
  });
  const profile = new Profile(engine, clock.now());
  const driver = new Driver({ engine, store, clock, worker: name, leaseMs, about: () => profile.text(), log });
  return { name, engine, driver, runner: options.runner, profile, rejections: new Rejections() };
}
