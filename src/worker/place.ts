/**
 * Who stands in for whom: what starts a worker anew where one has died (`millrace run --workers`) gives it a name that says
 * so, and it is given exactly what the dead one had. No shard of another worker moves, and no lease is waited for. Pure.
 *
 * P1  Of the workers of one place only the one that was started last counts: who started it knew that the others were dead.
 */

export interface Place {
  /** Without "@". */
  readonly name: string;
  /** How many were started there before. */
  readonly start: number;
}

const IN_PLACE = /^[^@]+@([^@]+)\.(\d{1,15})$/;

export const nameIn = ({ name, start }: Place, id: string): string => `${id}@${name}.${start}`;

/** One that was started in no place is the first and only one of its own. */
export function placeOf(worker: string): Place {
  const [, name, start] = IN_PLACE.exec(worker) ?? [];
  return name === undefined ? { name: worker, start: 0 } : { name, start: Number(start) };
}

/** Is `other` one that `worker` was started for? */
export function succeeds(worker: string, other: string): boolean {
  const [mine, its] = [placeOf(worker), placeOf(other)];
  return mine.name === its.name && mine.start > its.start;
}

/** Those that count (P1), in their order. */
export function standing(workers: readonly string[]): readonly string[] {
  if (!workers.some((worker) => worker.includes("@"))) return workers;
  return workers.filter((worker) => !workers.some((other) => succeeds(other, worker)));
}
