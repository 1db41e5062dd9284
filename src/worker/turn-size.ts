/**
 * How much is done at once. Each commit has its price however little is in it, so the more shards share what is done in one
 * turn, or are fed by one commit of an injector, the more that may be; but a turn is not interrupted, so there is a most.
 */

/** Records of one turn, at least and at most. */
const TURN = 2_048;
const TURN_MOST = 8_192;
/** Of them for each shard, where there is room for so many. */
const SHARE = 16;
/** Records that one shard does before others have their go. */
export const GO = 256;

/** Records that a worker with so many shards works on in one turn, and as many more in chains. */
export const recordsOfTurn = (shards: number): number => Math.min(Math.max(TURN, SHARE * shards), TURN_MOST);

/** Items of one commit of an injector: they fan out over so many shards, so it is several times what one of them takes. */
export const itemsOfCommit = (batchRecords: number, shards: number): number => Math.min(2 * SHARE * batchRecords, recordsOfTurn(shards));
