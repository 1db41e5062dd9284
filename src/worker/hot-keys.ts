/**
 * Which keys of a computation most records are of: a sketch of constant size (space-saving), one a computation and worker.
 * It looks at every record at first and then at one in `STRIDE` on average, which stands for that many.
 *
 * H1  A key with more than 1 / `MONITORED` of what was looked at is in the sketch; its count is too large by `error` at most.
 * H2  What was long ago counts ever less: all counts are halved whenever `WINDOW` records have been counted.
 * H3  Which records are looked at follows no pattern that keys could have: strides are drawn from a sequence of its own,
 *     the same in every run.
 */
const MONITORED = 128;
const EXACT = 4_096;
const STRIDE = 16;
const WINDOW = 1 << 17;

export interface HotKey {
  readonly key: string;
  /** Of the records counted, about how many had this key; and how many at least (before sampling). */
  readonly records: number;
  readonly atLeast: number;
}

export class HotKeys {
  readonly #places = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #counts: number[] = [];
  readonly #errors: number[] = [];
  #counted = 0;
  #skip = 1;
  #stride = 1;
  #drawn = 1;

  /** A record of this key is taken up. */
  saw(key: string): void {
    if (--this.#skip > 0) return;
    this.#skip = this.#stride === 1 ? 1 : this.#draw();
    this.#add(key, this.#stride);
    this.#counted += this.#stride;
    if (this.#counted < EXACT) return;
    this.#stride = STRIDE;
    if (this.#counted >= WINDOW) this.#halve();
  }

  /** Records that the counts are of: at most about the last 130,000. */
  get counted(): number {
    return this.#counted;
  }

  /** Those that most records are of, the first first. */
  top(most: number): HotKey[] {
    return this.#keys
      .map((key, i) => ({ key, records: this.#counts[i] as number, atLeast: (this.#counts[i] as number) - (this.#errors[i] as number) }))
      .sort((a, b) => b.records - a.records || b.atLeast - a.atLeast)
      .slice(0, most);
  }

  #add(key: string, weight: number): void {
    const place = this.#places.get(key);
    if (place !== undefined) {
      (this.#counts[place] as number) += weight;
      return;
    }
    if (this.#keys.length < MONITORED) {
      this.#places.set(key, this.#keys.length);
      this.#keys.push(key);
      this.#counts.push(weight);
      this.#errors.push(0);
      return;
    }
    const least = this.#leastPlace();
    this.#places.delete(this.#keys[least] as string);
    this.#places.set(key, least);
    this.#keys[least] = key;
    this.#errors[least] = this.#counts[least] as number;
    (this.#counts[least] as number) += weight;
  }

  #leastPlace(): number {
    let least = 0;
    for (let i = 1; i < this.#counts.length; i++) if ((this.#counts[i] as number) < (this.#counts[least] as number)) least = i;
    return least;
  }

  #halve(): void {
    this.#counted /= 2;
    for (let i = 0; i < this.#counts.length; i++) {
      (this.#counts[i] as number) /= 2;
      (this.#errors[i] as number) /= 2;
    }
  }

  /** 1 to 2 * STRIDE - 1, each as likely. */
  #draw(): number {
    this.#drawn = (Math.imul(this.#drawn, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + Math.floor((this.#drawn / 2 ** 32) * (2 * STRIDE - 1));
  }
}
