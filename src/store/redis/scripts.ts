/**
 * The scripts, one definition per `lua/*.lua` file. `INIT` to `REPORT` are all that writes; the server itself holds
 * those with "no-writes" to it. Which keys an entry of `keys` stands for is said in `keys.ts`.
 */
import { defineScript, type Script } from "./script.ts";

export const INIT = defineScript({
  file: "init.lua",
  flags: "",
  keys: "graph appends authority workers leases (meta state inbox timers wall holds held dead ids outbox marks)* (structure)*",
  args: "expected version graph created added (participant cells owners published)* (participant)*",
  reply: "outcome",
  outcomes: { s: "stored", c: "changed-meanwhile" },
});

export const BEGIN_CHANGE = defineScript({
  file: "begin-change.lua",
  flags: "",
  keys: "graph",
  args: "expected next domains",
  reply: "outcome",
  outcomes: { s: "stored", c: "changed-meanwhile" },
});

export const INIT_DOMAIN = defineScript({
  file: "init-domain.lua",
  flags: "",
  keys: "graph appends leases (meta state inbox timers wall holds held dead ids outbox marks)* (structure)*",
  args: "version shards",
  reply: "outcome",
  outcomes: { r: "raised", a: "already" },
});

export const ANNOUNCE = defineScript({
  file: "announce.lua",
  flags: "allow-oom",
  keys: "workers authority graph",
  args: "worker ms about said",
  reply: "now version (worker)*",
  outcomes: {},
});

export const ROOM = defineScript({ file: "room.lua", flags: "", keys: "workers", args: "", reply: "1", outcomes: {} });

export const DEPART = defineScript({ file: "depart.lua", flags: "allow-oom", keys: "workers authority", args: "worker", reply: "departed", outcomes: {} });

export const WORKERS = defineScript({
  file: "workers.lua",
  flags: "no-writes",
  keys: "workers authority",
  args: "",
  reply: "now (worker until about)*",
  outcomes: {},
});

export const ACQUIRE = defineScript({
  file: "acquire.lua",
  flags: "allow-oom",
  keys: "leases (meta)*",
  args: "worker lease-ms steal (random)*",
  reply: "now (outcome sequencer abandoned | outcome worker until)*",
  outcomes: { a: "acquired", h: "held-by" },
});

export const RENEW = defineScript({
  file: "renew.lua",
  flags: "allow-oom",
  keys: "leases (meta)*",
  args: "worker lease-ms lease next (sequencer)*",
  reply: "now outcomes",
  outcomes: { r: "renewed", l: "lost" },
});

export const RELEASE = defineScript({
  file: "release.lua",
  flags: "allow-oom",
  keys: "(meta)*",
  args: "worker (sequencer)*",
  reply: "outcomes",
  outcomes: { r: "released", l: "lost" },
});

export const COMMIT = defineScript({
  file: "commit.lua",
  flags: "allow-oom",
  keys: "graph appends (meta inbox)* (meta inbox)* (stream)* (structure)*",
  args:
    "commits targets (sequencer number id version position offset records identity image chain)* " +
    '(parcels records origins parcel*)* (length (commit count argument*)*)* "." ((verb count argument*)* ".")*',
  reply: "now appends outcomes (tail queued)*",
  outcomes: { c: "committed", a: "already", f: "fenced", g: "gap", s: "stale-graph", u: "unchained" },
});

export const DELIVER = defineScript({
  file: "deliver.lua",
  flags: "allow-oom",
  keys: "appends (meta inbox marks)*",
  args: "targets (deliveries (sender monotonic n previous-monotonic previous-n records parcel)*)*",
  reply: "appends ((outcome mark)*)* (tail queued)*",
  outcomes: { d: "delivered", u: "duplicate", b: "behind", l: "after-loss", g: "gone" },
});

export const REGISTER = defineScript({
  file: "register.lua",
  flags: "allow-oom",
  keys: "authority",
  args: "(participant owners cells new-owners new-cells published)*",
  reply: "outcome",
  outcomes: { r: "registered", c: "changed-meanwhile" },
});

export const REPORT = defineScript({
  file: "report.lua",
  flags: "allow-oom",
  keys: "authority appends",
  args: "worker (participant generation number output last status)*",
  reply: "now appends refused published",
  outcomes: {},
});

export const INBOX = defineScript({
  file: "inbox.lua",
  flags: "no-writes",
  keys: "meta inbox",
  args: "from parcels",
  reply: "from tail (parcel)*",
  outcomes: {},
});

export const TAILS = defineScript({ file: "tails.lua", flags: "no-writes", keys: "appends (meta)*", args: "", reply: "appends (tail queued)*", outcomes: {} });

export const NAMES = defineScript({
  file: "names.lua",
  flags: "no-writes",
  keys: "structure",
  args: "type cursor count (prefix)*",
  reply: "cursor (name)*",
  outcomes: {},
});

export const TIMERS = defineScript({
  file: "timers.lua",
  flags: "no-writes",
  keys: "timers holds",
  args: "prefix limit",
  reply: "(member time)* (hold)*",
  outcomes: {},
});

export const RECOVER = defineScript({
  file: "recover.lua",
  flags: "no-writes",
  keys: "(meta state timers wall holds held dead ids outbox inbox)*",
  args: "timers holds",
  reply: "(number image position offset tail queued counts timers wall holds held outbox)*",
  outcomes: {},
});

export const PROGRESS = defineScript({
  file: "progress.lua",
  flags: "no-writes",
  keys: "(meta held outbox)*",
  args: "",
  reply: "(position tail image (held)* (outbox)*)*",
  outcomes: {},
});

export const SUMMARY = defineScript({
  file: "summary.lua",
  flags: "no-writes",
  keys: "(meta state timers wall held dead outbox leases)*",
  args: "",
  reply: "(sequencer owner until number image queued tail counts)*",
  outcomes: {},
});

// What an audit reads by (`redis-reader.ts`).

export const READ_HEAD = defineScript({
  file: "read-head.lua",
  flags: "no-writes",
  keys: "meta inbox",
  args: "",
  reply: "sequencer monotonic owner until number id image position offset tail queued length consumed",
  outcomes: {},
});

export const READ_COUNTS = defineScript({
  file: "read-counts.lua",
  flags: "no-writes",
  keys: "state held dead outbox timers wall holds ids",
  args: "",
  reply: "(count sentinel)*",
  outcomes: {},
});

export const READ_PARCELS = defineScript({
  file: "read-parcels.lua",
  flags: "no-writes",
  keys: "meta inbox",
  args: "from parcels",
  reply: "from position offset tail queued (parcel)*",
  outcomes: {},
});

export const READ_ENTRIES = defineScript({
  file: "read-entries.lua",
  flags: "no-writes",
  keys: "structure",
  args: "cursor count most",
  reply: "cursor bytes entries",
  outcomes: {},
});

export const READ_TIMES = defineScript({
  file: "read-times.lua",
  flags: "no-writes",
  keys: "structure",
  args: "cursor count",
  reply: "cursor entries",
  outcomes: {},
});

export const LOOK_UP = defineScript({
  file: "look-up.lua",
  flags: "no-writes",
  keys: "state timers wall holds",
  args: "most fields timers wall (field)* (timer)* (wall)* (hold)*",
  reply: "(value)* (time)* (time)* (time)*",
  outcomes: {},
});

export const READ_VALUES = defineScript({
  file: "read-values.lua",
  flags: "no-writes",
  keys: "meta state",
  args: "(field)*",
  reply: "number (value)*",
  outcomes: {},
});

/** Run once on each connection, on a key of its own: can the server do all that the others ask of it? */
export const PROBE = defineScript({ file: "probe.lua", flags: "allow-oom", keys: "probe", args: "", reply: "now", outcomes: {} });

/** What a worker needs. */
export const SCRIPTS: readonly Script[] = [
  INIT,
  BEGIN_CHANGE,
  INIT_DOMAIN,
  ANNOUNCE,
  ROOM,
  DEPART,
  ACQUIRE,
  RENEW,
  RELEASE,
  COMMIT,
  DELIVER,
  REGISTER,
  REPORT,
  INBOX,
  TAILS,
  NAMES,
  TIMERS,
  RECOVER,
  SUMMARY,
  PROGRESS,
  WORKERS,
];
/** What is needed to look from outside: none of them writes. */
export const READING_SCRIPTS: readonly Script[] = [READ_HEAD, READ_COUNTS, READ_PARCELS, READ_ENTRIES, READ_TIMES, LOOK_UP, READ_VALUES];
