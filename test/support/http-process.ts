/**
 * A process of its own for `test/http/durability.test.ts`: a pipeline that takes records over HTTP, on an LMDB store, and
 * writes what its stream has carried to a file. It says the address of its endpoint, and runs until it is ended.
 */
import { fromHttp, LmdbStore, Pipeline, run, stream, toFile } from "../../src/index.ts";

const [, , directory = "", out = ""] = process.argv;
const visits = stream<{ readonly page: string }>("visits");
const pipeline = new Pipeline("killed", { shards: 1 }).inject("arrivals", visits, fromHttp()).sink("out", visits, toFile(out));
const running = await run(pipeline, { store: new LmdbStore(directory), http: { port: 0 }, log: () => {} });
process.stdout.write(`${running.url}\n`);
