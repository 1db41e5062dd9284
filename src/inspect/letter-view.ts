/** One dead letter with its value, as far as that can be read. */
import type { Codec } from "../computation/codec.ts";
import { openValue } from "../computation/envelope.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { PipelineStore } from "../store/store.ts";
import { parseLetterName } from "../worker/dead-letters.ts";
import { parseDeadLetter } from "../worker/held.ts";
import type { PlannedParticipant } from "../worker/plan.ts";
import { deadLetterView } from "./stored-views.ts";
import type { WholeLetterView } from "./views.ts";

/** undefined: there is none of this name, or no longer. */
export async function letterOf(store: PipelineStore, participant: PlannedParticipant, name: string): Promise<WholeLetterView | undefined> {
  const place = parseLetterName(participant, name);
  if (place === undefined) return undefined;
  const [summary] = await store.summarize([place.shard]);
  if (summary === undefined || summary.dead === 0) return undefined;
  const letter = (await store.readDeadLetters(place.shard, summary.dead)).find(({ id }) => id === place.id);
  if (letter === undefined) return undefined;
  const { value, input } = parseDeadLetter(letter.bytes);
  const head = { ...deadLetterView(participant, place.shard, letter), bytes: value?.length ?? 0 };
  if (value === undefined) return { ...head, value: null, raw: null };
  try {
    return { ...head, value: JSON.parse(jsonLine(openValue(codecOf(participant, input), value).value)) as unknown, raw: null };
  } catch {
    return { ...head, value: null, raw: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString() };
  }
}

/** Of the value as its consumer reads it. */
function codecOf(participant: PlannedParticipant, input: number | undefined): Codec<unknown> {
  if (participant.kind === "injector") return participant.output.codec;
  const known = participant.kind === "sink" ? [participant.input] : participant.inputs;
  const found = known.find(({ id }) => id === input) ?? known[0];
  if (found === undefined) throw new Error("it has no input");
  return found.codec;
}
