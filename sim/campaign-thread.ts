/** A thread of a campaign: runs the seeds that it is sent, and answers with their totals. */
import { parentPort } from "node:worker_threads";
import { runSeeds } from "./run-seeds.ts";

parentPort?.on("message", async ({ from, count }: { readonly from: number; readonly count: number }) => {
  parentPort?.postMessage(await runSeeds(from, count));
});
