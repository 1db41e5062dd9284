/**
 * What has to have happened in a campaign: a simulation in which it never does shows nothing about it. Events are counted
 * where they are, in `src/testing/simulation`, and, of what is stored at the end of a schedule, in `schedule.ts`.
 */
export const RARE_EVENTS: ReadonlyMap<string, string> = new Map([
  // Faults.
  ["crash", "a worker is gone at once"],
  ["stall", "a worker does nothing for a while, perhaps past its leases"],
  ["join", "another worker starts beside those that run"],
  ["leave", "a worker is told to stop"],
  ["break", "a connection breaks; what was on its way is lost"],
  ["time-out", "calls are given up, and arrive later"],
  ["delay", "requests or answers take long"],
  ["clog", "the lines of several workers stand still and are freed in another order"],
  ["duplicate", "a commit or report arrives a second time"],
  ["skew", "a worker's clock jumps"],
  ["store-clock", "the store's clock jumps"],
  ["lost-tail", "the store restarts"],
  ["edge failed", "a source or sink fails"],
  ["items confirmed", "a source is told what became of its items"],
  // What comes of them.
  ["tail lost", "the store comes back without its last commits"],
  ["store is another", "a worker notices that the store was another"],
  ["unanswered commit", "a worker does not know what became of a commit"],
  ["already", "a commit that was sent again had been applied"],
  ["fenced", "the commit of a worker that had lost the shard"],
  ["stray commit", "a commit arrives that nobody waits for any more"],
  ["stray report", "a report arrives that nobody waits for any more"],
  ["report refused", "a report of a worker whose shards are not what it thinks"],
  ["zombie", "a worker that had stalled past its leases goes on and commits"],
  ["takeover", "a shard is granted to another worker than before"],
  ["takeover with held records", "and records stand aside in it"],
  ["takeover with timers", "and timers are set in it"],
  ["takeover with holds", "and holds are set in it"],
  ["takeover of a commit in the making", "and the one before had a commit under way"],
  ["left", "a worker hands its shards over and ends"],
  ["shared", "two workers own shards of one computation at once"],
  ["held", "a record or timer is set aside by a commit"],
  ["timers paged", "a shard has more timers than its owner has read"],
  ["idle", "a participant is idle while others go on"],
  // What users see of it.
  ["late", "a late record"],
  ["duplicates", "a record whose id was there before"],
  ["deadLetters", "a record or timer in dead letters"],
  ["timersFired", "a timer fires"],
  ["droppedTimers", "a timer set at the end of time is dropped"],
  ["processed", "a record is processed"],
  ["produced", "a record is produced"],
]);
