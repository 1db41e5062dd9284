/**
 * Every bound, with its unit and reason. They are the same on all stores, so a pipeline can move from one to
 * another; what exceeds one is refused at the door with a `LimitExceededError`, never dropped in silence.
 */

/** Bytes of a key in UTF-8. LMDB's own keys end at 1,978 bytes and hold a key, a tag and a prefix. */
export const KEY_BYTES = 512;
/** Bytes of a timer's tag in UTF-8. */
export const TAG_BYTES = 256;
/** Bytes of a client's record id in UTF-8. */
export const ID_BYTES = 256;
/** Bytes of one encoded record value. */
export const RECORD_BYTES = 1 << 20;
/** Bytes of one encoded state cell. */
export const STATE_BYTES = 8 << 20;
/** Bytes that one record or timer may produce, over all consumers. A commit holds at least one call whole. */
export const CALL_BYTES = 16 << 20;
/** Records that one record or timer may produce, over all consumers. */
export const CALL_PRODUCTIONS = 100_000;
/** Bytes of effects after which an open batch is sealed; the last call may exceed it by CALL_BYTES. */
export const COMMIT_BYTES = 4 << 20;
/** Shards of one pipeline: two bytes of a `ShardRef`. */
export const SHARDS = 16_384;
/** Different percentiles that timers of one pipeline go by: one byte of an image, which has a watermark of each. */
export const PERCENTILES = 255;
/** Letters of a durable name. */
export const NAME_PATTERN: RegExp = /^[A-Za-z0-9_.-]{1,64}$/;
/** Records of one shard that may stand aside in `held` before it stops reading its inbox. */
export const HELD_RECORDS = 10_000;
/** Dead letters of one shard; when full, failing keys halt instead. */
export const DEAD_LETTERS = 10_000;
/** Bytes of a JSON body that is posted whole, and of one line of NDJSON: a record's bound, for a body of one record. */
export const HTTP_BODY_BYTES: number = 1 << 20;
/** Records of a JSON body; its answer tells of each. More go as NDJSON, which has no bound. */
export const HTTP_BODY_RECORDS = 10_000;
/** Records, and bytes of their text, that one HTTP injector has taken and not confirmed: what a worker keeps of requests in memory. */
export const HTTP_WAITING_RECORDS = 8_192;
export const HTTP_WAITING_BYTES: number = 8 << 20;
/** Requests whose bodies are being read at once, each of which may keep HTTP_BODY_BYTES, and connections; more are turned away. */
export const HTTP_UPLOADS = 256;
export const HTTP_CONNECTIONS = 1_024;
/** Clients that watch the watermarks of one worker as server-sent events at once; more are turned away. */
export const HTTP_WATCHERS = 32;
