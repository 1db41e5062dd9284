/**
 * Strings that name things in the store: keys, ids, tags. They are stored as UTF-8, so two that differ only in broken
 * surrogates would be one there, and order is that of the bytes.
 */

/** Does the string come back from UTF-8 as it was: has it no surrogate without its other half? */
export const isStorable = (text: string): boolean => text.isWellFormed();

/**
 * Compares strings as their UTF-8 bytes compare. JavaScript's own `<` compares UTF-16 code units, which puts what is
 * beyond U+FFFF (written with surrogates) before U+E000 to U+FFFF.
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
