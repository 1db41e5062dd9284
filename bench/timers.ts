/** Timers: how fast they are set and fire when all are stored at once, and how late those by the wall clock fire. */
import { benchmark, settingOf } from "./harness/benchmark.ts";
import { measuredRun, quantiles } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";
import { timerLoad, wallTimers } from "./timer-pipelines.ts";

export const timers = benchmark({
  name: "timers",
  about: "timers set and fired a second, all of them stored at once; lateness of wall timers at a rate",
  numbers: { records: 300_000, keys: 100_000, shards: 64, rate: 2_000, seconds: 8, warmup: 3, ahead: 500 },
  tiny: { store: "memory", records: 1_000, keys: 100, shards: 4, rate: 500, seconds: 0.1, warmup: 0.05, ahead: 50 },
  run: async (given) =>
    inTurn(given.runs, ["watermark", "wall"], async (clock) => {
      const row = { bench: "timers", clock, store: given.store, fsync: given.fsync, shards: given.shards };
      const { records, keys, shards, rate, seconds, warmup: warmUp, ahead } = given;
      if (clock === "wall") {
        const run = await measuredRun(wallTimers, { rate, seconds, warmUp, keys, shards, ahead }, settingOf(given));
        return { ...row, rate, ...quantiles(run.histogram("late")), ...run.figures };
      }
      const run = await measuredRun(timerLoad, { records, keys, shards }, settingOf(given));
      const [first, last] = [run.measured[0], run.measured.at(-1)];
      const setAt = run.note("setAt");
      const set = setAt === null || first === undefined ? null : (setAt - first.beganAt) / 1_000;
      const fired = setAt === null || last === undefined ? null : (last.endedAt - setAt) / 1_000;
      return {
        ...row,
        timers: records,
        setPerSecond: set === null ? null : Math.round(records / set),
        firedPerSecond: fired === null ? null : Math.round(records / fired),
        setSeconds: set === null ? null : round(set),
        firedSeconds: fired === null ? null : round(fired),
        ...run.figures,
      };
    }),
});
