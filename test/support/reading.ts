/** Reads an injector's source as the engine does: pull after pull, never two at once. */
import type { InjectorSource, SourceContext, SourceItem, SourceReader } from "../../src/injectors/injector.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

export interface ReadingContext extends SourceContext {
  readonly clock: VirtualClock;
  abort(): void;
}

export function readingContext(clock = new VirtualClock()): ReadingContext {
  const controller = new AbortController();
  return { partition: 0, signal: controller.signal, clock, warn: () => {}, abort: () => controller.abort() };
}

/** All items until the source is done. */
export async function readAll(source: InjectorSource, position?: unknown, max = 100): Promise<SourceItem[]> {
  const reader = await source.open(readingContext(), position);
  try {
    return await drain(reader, max);
  } finally {
    await reader.close();
  }
}

export async function drain(reader: SourceReader, max = 100): Promise<SourceItem[]> {
  const items: SourceItem[] = [];
  for (;;) {
    const pulled = await reader.pull(max);
    items.push(...pulled.items);
    if (pulled.done) return items;
  }
}

/** Is the promise still open after everything that can run without time passing has run? */
export async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  let open = true;
  void promise.then(
    () => (open = false),
    () => (open = false),
  );
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  return open;
}
