/** `export` and `import`: a copy by way of a file (`contents-file.ts`). */
import type { Store } from "../store/store.ts";
import type { HeadPiece } from "./contents.ts";
import { FileContents, writeContents } from "./contents-file.ts";
import { type CopyReport, pipelineOf, refuseUnsound, type Surroundings, withStopped, write } from "./copy.ts";

export interface ExportOptions extends Surroundings {
  readonly from: Store;
  readonly file: string;
  readonly pipeline?: string | undefined;
}

export interface ExportReport {
  readonly pipeline: string;
  readonly from: string;
  readonly file: string;
  readonly shards: number;
  readonly bytes: number;
  readonly entries: HeadPiece["counts"];
}

/** Throws as `copy` does. The file is there only if it is whole. */
export async function exportPipeline({ from, file, ...options }: ExportOptions): Promise<ExportReport> {
  const pipeline = await pipelineOf(from, options.pipeline);
  return await withStopped(from, pipeline, options, async (contents) => {
    await refuseUnsound(from, pipeline, options.tell);
    const entries = { state: 0, held: 0, dead: 0, outbox: 0, watermark: 0, wall: 0, holds: 0, ids: 0 };
    for await (const piece of contents.pieces(() => false)) {
      if (piece.kind === "shard") for (const kind of Object.keys(entries) as (keyof typeof entries)[]) entries[kind] += piece.counts[kind];
    }
    options.tell("writes");
    const bytes = await writeContents(contents, file, () => contents.checkUnchanged());
    return { pipeline, from: contents.description, file, shards: contents.graph.shards, bytes, entries };
  });
}

export interface ImportOptions extends Surroundings {
  readonly file: string;
  readonly to: Store;
  readonly shards?: number | undefined;
}

/** Throws as `copy` does, and where the file is not whole. Killed, it goes on when it is given again. */
export async function importPipeline({ file, ...options }: ImportOptions): Promise<CopyReport> {
  options.tell("checks the file");
  const contents = await FileContents.open(file);
  return await write(contents, { ...options, command: "import", complete: async () => {} });
}
