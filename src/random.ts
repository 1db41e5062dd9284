/**
 * The engine's door to randomness: sequencers, commit ids, worker ids, and record ids where a client gave none.
 * A seeded source takes its place in tests and in the simulator.
 */
import { nanoid } from "nanoid";

export interface Random {
  /** A fresh id that no one else will draw: 21 URL-safe characters. */
  id(): string;
}

export const systemRandom: Random = { id: () => nanoid() };
