/**
 * Zeitgeist: which airports do, at this moment, far more or far less than they usually do at this time of the week?
 *
 *   flights --> window counter --> windows ----------------> anomaly detector --> anomalies --> anomalies.ndjson
 *                     |  |            |                          ^      ^
 *                     |  |            +--> windows.ndjson        |      |
 *                     |  +--> growing (open windows) ------------+      |
 *                     +--> day counts --> model calculator --> day models
 */
import { type Injector, Pipeline, toFile } from "../../src/index.ts";
import { AnomalyDetector } from "./anomaly-detector.ts";
import type { Flight } from "./flight.ts";
import { ModelCalculator } from "./model-calculator.ts";
import { anomalies, flights, windows } from "./streams.ts";
import { WindowCounter } from "./window-counter.ts";

export interface ZeitgeistOptions {
  /** Durable: the name under which the store keeps the pipeline's data. */
  readonly name: string;
  readonly flights: Injector<Flight>;
  /** Time of the last scheduled departure among them, ms. */
  readonly until: number;
  /** Paths of the files that are written. */
  readonly windows: string;
  readonly anomalies: string;
}

/** Few shards, for one worker: the fewer there are, the more records share a commit. */
const SHARDS = 8;

export function zeitgeist(options: ZeitgeistOptions): Pipeline {
  return new Pipeline(options.name, { shards: SHARDS })
    .inject("flights", flights, options.flights)
    .compute("window-counter", WindowCounter)
    .compute("model-calculator", ModelCalculator)
    .compute("anomaly-detector", () => new AnomalyDetector({ until: options.until }))
    .sink("windows", windows, toFile(options.windows))
    .sink("notifier", anomalies, toFile(options.anomalies));
}
