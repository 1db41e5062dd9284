/** Where in a source the first record of a time is: by reading it from its beginning to where the injector has come. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock.ts";
import type { InjectorNode } from "../computation/graph.ts";
import { ConfigError } from "../errors.ts";
import type { SourceReader } from "../injectors/injector.ts";
import { openSource } from "../injectors/validated-source.ts";
import { shardRef } from "../key.ts";
import type { PipelineStore } from "../store/store.ts";
import { decodeImage } from "../worker/image.ts";

/** Items asked of the source at once. */
const PULL = 1_024;
/** ms without an item after which a source that has no end counts as read. */
const SILENCE = 2_000;

export interface Search {
  readonly store: PipelineStore;
  readonly node: InjectorNode;
  readonly participant: number;
  readonly shards: number;
  readonly time: number;
  readonly clock: Clock;
  readonly tell: (text: string) => void;
}

/**
 * Of each partition the position before its first record at or after `time`, undefined if that is its beginning. One
 * whose records are all earlier stays where it is. Throws a `ConfigError` where that is so in all.
 */
export async function positionsAt(search: Search): Promise<unknown[]> {
  const { store, node, participant, shards, time } = search;
  const positions: unknown[] = [];
  let found = false;
  for (let index = 0; index < shards; index++) {
    const [summary] = await store.summarize([shardRef(participant, index)]);
    const checkpoint = summary?.image === undefined ? undefined : decodeImage(summary.image).checkpoint;
    const current = (checkpoint as { readonly position?: unknown } | undefined)?.position;
    const before = current === undefined ? undefined : await positionBefore(search, index, current);
    found ||= before !== undefined;
    positions.push(before === undefined ? current : before.position);
  }
  if (!found) throw new ConfigError(`injector "${node.name}" has read no record of ${new Date(time).toISOString()} or later: there is nothing to read again`);
  return positions;
}

/** undefined: no record up to `current` is of that time. */
async function positionBefore({ node, time, clock, tell }: Search, partition: number, current: unknown): Promise<{ readonly position: unknown } | undefined> {
  const { source } = node;
  const ended = new AbortController();
  const reader = await openSource(source, { partition, signal: ended.signal, clock, warn: tell }, undefined);
  try {
    let position: unknown;
    for (;;) {
      const { items, done } = await pulled(reader, clock, ended);
      for (const item of items) {
        if (!item.mark && item.failure === undefined && timestampOf(source.timestamp, item) >= time) return { position };
        position = item.position;
        if (isDeepStrictEqual(position, current)) return undefined;
      }
      if (done || ended.signal.aborted) return undefined;
    }
  } finally {
    await reader.close();
  }
}

function timestampOf(
  of: ((value: unknown) => number) | undefined,
  { value, timestamp }: { readonly value: unknown; readonly timestamp?: number | undefined },
): number {
  if (of === undefined) return timestamp ?? Number.NaN;
  try {
    return of(value);
  } catch {
    return Number.NaN;
  }
}

async function pulled(reader: SourceReader, clock: Clock, ended: AbortController): ReturnType<SourceReader["pull"]> {
  const cancel = clock.after(SILENCE, () => ended.abort());
  try {
    return await reader.pull(PULL);
  } finally {
    cancel();
  }
}
