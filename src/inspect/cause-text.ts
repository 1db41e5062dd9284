/** What holds a watermark, in a sentence for people: which thing it is, since when, and what to do where it matters. */
import { indexOf, participantOf } from "../key.ts";
import type { Engine } from "../worker/engine.ts";
import { type Cause, isOnlyShard, shardIndex } from "./cause.ts";
import { durationText, timeText } from "./times.ts";

/** Letters of a key or tag that a sentence shows. */
const SHOWN = 60;

export function causeText(cause: Cause, engine: Engine, now: number): string {
  const { participant, since } = cause;
  const where = `${participant.kind} ${quoted(participant.name)}${isOnlyShard(cause) ? "" : `, shard ${shardIndex(cause)}`}`;
  const lasting = `for ${durationText(now - since)}`;
  switch (cause.kind) {
    case "promise":
      return promiseText(cause, where, now);
    case "idle":
      return `${where} has been idle ${lasting} and no other input is live: it promises nothing until a record comes`;
    case "back-pressure":
      return `${where} waits, ${lasting}, until ${blockersText(cause, engine)}`;
    case "skew":
      return skewText(cause, engine, where, lasting);
    case "unread":
      return `${where} has ${counted(cause.records, "record")} in its inbox, not all of them read`;
    case "record":
      return `${where} has read a record${ofKey(cause)} and not processed it${(cause.records ?? 0) > 1 ? `; ${cause.records} are waiting` : ""}`;
    case "running":
      return runningText(cause, where, lasting);
    case "held":
      return `${where}: ${workText(cause)} failed ${counted(cause.attempts, "time")} and is tried again ${retryText(cause, now)}`;
    case "halted":
      return `${where}: ${workText(cause)} failed ${counted(cause.attempts, "time")}; the key is halted and waits for an operator`;
    case "timer":
      return `${where}: ${workText(cause)} has not fired${cause.detail === undefined ? "" : `; it holds ${cause.detail}, ${timeText(cause.at)}`}`;
    case "hold":
      return `${where}: key ${quoted(cause.key)} holds the watermark at ${timeText(cause.at)} (context.hold) until it releases it`;
    case "commit":
      return `${where} waits, ${lasting}, for ${cause.commit === undefined ? "a batch that is about to be committed" : `the store to answer commit ${cause.commit}`}`;
    case "undelivered":
      return `${where} has productions that are not delivered to their shards`;
    case "report":
      return `${where} has come further and is about to report it`;
    case "unowned":
      return `${where} has no owner yet`;
    case "recovering":
      return `${where} is being read by its new owner`;
    case "elsewhere":
      return `${where} belongs to worker ${cause.worker}, which can say more`;
  }
}

function promiseText(cause: Cause, where: string, now: number): string {
  const given = cause.at < 0 ? "has promised nothing yet" : `promises nothing later than ${timeText(cause.at)}`;
  const policy = cause.detail === undefined ? "" : ` (${cause.detail})`;
  if ((cause.attempts ?? 0) > 0)
    return `${where}${policy} ${given}; reading failed ${counted(cause.attempts, "time")} in a row and goes on ${retryText(cause, now)}`;
  return `${where}${policy} ${given}; it has stood there for ${durationText(now - cause.since)}`;
}

function skewText({ participant, slowest, at }: Cause, engine: Engine, where: string, lasting: string): string {
  const allowed = participant.kind === "injector" ? durationText(participant.node.maxSkew ?? 0) : "";
  const other = slowest === undefined ? "another" : quoted(engine.participant(slowest.participant)?.name);
  const ahead = slowest === undefined || slowest.output < 0 ? `, which has promised nothing yet` : `: it is ${durationText(at - slowest.output)} ahead`;
  return `${where} waits, ${lasting}, for injector ${other}${ahead}; its maxSkew is ${allowed}`;
}

function runningText(cause: Cause, where: string, lasting: string): string {
  if (cause.participant.kind === "sink") return `${where} has been writing ${counted(cause.records, "record")} to ${cause.detail} ${lasting}`;
  return `${where}: the call for ${workText(cause)} has been running ${lasting}`;
}

function workText(cause: Cause): string {
  const time = cause.time === undefined ? "" : ` of ${timeText(cause.time)}`;
  if (cause.name === undefined) return `the record${ofKey(cause)}${time}`;
  return `timer ${quoted(cause.name)}${cause.tag === undefined ? "" : ` with tag ${quoted(cause.tag)}`}${ofKey(cause)}${time}`;
}

function blockersText({ blockers = [] }: Cause, engine: Engine): string {
  const last = blockers.at(-1);
  if (last === undefined) return "a full inbox has been worked off";
  const name = engine.participant(participantOf(last))?.name;
  const more = blockers.length === 1 ? "" : `, and ${blockers.length - 1} more before it`;
  return `the inbox of ${quoted(name)}, shard ${indexOf(last)}, has been worked off (${engine.queuedOf(last)} records waiting${more})`;
}

function retryText({ retryAt }: Cause, now: number): string {
  return retryAt === undefined || retryAt <= now ? "now" : `in ${durationText(retryAt - now)}`;
}

const ofKey = ({ key }: Cause): string => (key === undefined ? "" : ` of key ${quoted(key)}`);

const counted = (count: number | undefined, what: string): string => `${count ?? 0} ${what}${count === 1 ? "" : "s"}`;

/** What came from data is shown as a JSON string, so that it can neither break a line nor a terminal. */
function quoted(text: unknown): string {
  if (typeof text === "number") return String(text);
  const whole = String(text);
  return JSON.stringify(whole.length > SHOWN ? `${whole.slice(0, SHOWN)}...` : whole);
}
