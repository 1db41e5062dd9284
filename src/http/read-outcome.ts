/** What reading something that a client sent gives: the value, or one sentence about what is wrong with it. Its readers are pure. */
export type ReadOutcome<T> = { readonly read: T } | { readonly refused: string };

export const read = <T>(value: T): ReadOutcome<T> => ({ read: value });
export const refused = (reason: string): { readonly refused: string } => ({ refused: reason });
