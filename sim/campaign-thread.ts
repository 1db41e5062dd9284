/** A thread of a campaign: runs the seeds that it is sent, and answers with their totals. */
import { parentPort } from "node:worker_threads";
import { runSeeds } from "./run-seeds.ts";

parentPort?.on("message", ({ from, count }: { readonly from: number; readonly count: number }) => {
  // A rejection that nobody handles ends the thread, which tells the campaign.
  void runSeeds(from, count).then((totals) => parentPort?.postMessage(totals));
});
