/** Entries of streams in the store, as commits append them: made from records. */
import { InvalidUseError, LimitExceededError } from "../errors.ts";
import { RECORD_BYTES } from "../limits.ts";
import type { StreamRecord } from "../record.ts";
import type { StoreStream } from "../sinks/sink.ts";
import type { EntryAppend } from "../store/commit.ts";

/** Throws what is the record's fault. */
export function entryOf({ key, maxLength, texts: textsOf }: StoreStream, record: StreamRecord<unknown>): EntryAppend {
  const texts = textsOf(record);
  // Redis has no entry without a field, and would refuse the commit.
  if (texts.length === 0) throw new InvalidUseError("the entry has no field: an entry has one at least");
  let bytes = 0;
  for (const text of texts) bytes += text.length;
  if (bytes > RECORD_BYTES) throw new LimitExceededError(`an entry of stream "${key}" is about ${bytes} bytes, more than ${RECORD_BYTES}`);
  return { stream: key, maxLength, texts, bytes };
}
