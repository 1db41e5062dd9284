/**
 * Whether this worker knows the ends of inboxes, domain by domain: it does while nobody but itself has appended, which the
 * domain's append counter tells. The ends themselves are the inboxes' own (`inbox.ts`).
 *
 * N1  The ends of a domain count as known only if its counter, as read no earlier than what they are wanted for, is where
 *     this worker's own calls have brought it, or where it was when all ends were read.
 */

interface Ends {
  /** The counter as answers have told it; -1: not told yet. */
  appends: number;
  known: boolean;
}

export class InboxEnds {
  readonly #domains: Ends[];

  constructor(domains: number) {
    this.#domains = Array.from({ length: domains }, () => ({ appends: -1, known: false }));
  }

  forget(): void {
    for (const ends of this.#domains) Object.assign(ends, { appends: -1, known: false });
  }

  /** A commit or delivery was answered. False: others have appended too. */
  answered(domain: number, appends: number, appended: boolean, resent: boolean): boolean {
    const ends = this.#of(domain);
    if (ends.appends < 0) return true;
    // What had its effect before all ends were read, and is answered after that, tells nothing new.
    const alone = !resent && (appends <= ends.appends || appends === ends.appends + (appended ? 1 : 0));
    if (!alone) ends.known = false;
    ends.appends = Math.max(ends.appends, appends);
    return alone;
  }

  /** All counters were read. False: others have appended to one domain or another. */
  compare(appends: readonly number[]): boolean {
    let alone = true;
    this.#domains.forEach((ends, domain) => {
      if (appends[domain] === ends.appends) return;
      ends.known = false;
      alone = false;
    });
    return alone;
  }

  /** The ends of the inboxes of a domain were read, when its counter was this. */
  read(domain: number, appends: number): void {
    const ends = this.#of(domain);
    // Those of a call that was answered meanwhile may lie behind others' that came between the two.
    ends.known = appends >= ends.appends;
    ends.appends = Math.max(ends.appends, appends);
  }

  /** Inboxes have come whose ends are not known. */
  doubt(): void {
    for (const ends of this.#domains) ends.known = false;
  }

  get allKnown(): boolean {
    return this.#domains.every(({ known }) => known);
  }

  isKnown(domain: number): boolean {
    return this.#of(domain).known;
  }

  #of(domain: number): Ends {
    return this.#domains[domain] as Ends;
  }
}
