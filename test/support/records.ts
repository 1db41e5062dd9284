/** Records as a sink gets them. */
import type { StreamRecord } from "../../src/record.ts";

export function recordOf<T>(value: T, id = `r-${JSON.stringify(value)}`): StreamRecord<T> {
  const record = { id, key: "", value, timestamp: 0, late: false, is: () => false };
  return record as unknown as StreamRecord<T>;
}

export const recordsOf = <T>(values: readonly T[]): StreamRecord<T>[] => values.map((value) => recordOf(value));
