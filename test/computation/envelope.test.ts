import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cbor, type Codec, DecodeError, IncompatibleDataError, InvalidUseError, json } from "../../src/index.ts";
import { headOf, openValue, sealValue } from "../../src/computation/envelope.ts";

/** A user's codec that has had three shapes: text, then cents, then cents and a currency. */
interface Money {
  readonly cents: number;
  readonly currency: string;
}
const money = (version: number, id = "money"): Codec<Money> => ({
  id,
  version,
  encode: ({ cents, currency }) => Buffer.from(version === 0 ? `${cents / 100}` : version === 1 ? `${cents}` : `${cents} ${currency}`),
  decode(bytes, written) {
    const [amount, currency = "EUR"] = Buffer.from(bytes).toString().split(" ");
    return { cents: written === 0 ? Number(amount) * 100 : Number(amount), currency };
  },
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    openValue(cbor(), bytes);
    return "opened";
  } catch (error) {
    return (error as Error).name;
  }
}

describe("an envelope", () => {
  test("gives back value and expiry, whatever the codec", () => {
    const codecs = fc.constantFrom<Codec<unknown>>(
      cbor(),
      json(),
      { ...cbor(), id: "x", version: 65_535 },
      { ...json(), id: "a-codec.with-a-name-of-32-letters", version: 256 },
    );
    const expiry = fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { nil: undefined });
    fc.assert(
      fc.property(codecs, fc.jsonValue(), expiry, (codec, given, expiresAt) => {
        const value = JSON.parse(JSON.stringify(given)) as unknown;
        const sealed = sealValue(codec, value, expiresAt);
        expect(openValue(codec, sealed)).toEqual({ value, expiresAt });
        expect(headOf(sealed)).toEqual({ codec: codec.id, version: codec.version, expiresAt });
      }),
      { seed: 21, numRuns: 300 },
    );
  });

  test("has no head where it does not begin, or is cut off within it", () => {
    const sealed = sealValue({ ...money(2), id: "m" }, { cents: 1, currency: "F" }, 9);
    for (let length = 0; length < 13; length++) expect([length, headOf(sealed.subarray(0, length))]).toEqual([length, undefined]);
    expect(headOf(sealed.subarray(0, 13))).toEqual({ codec: "m", version: 2, expiresAt: 9 });
    for (const first of [2, 0x3e, 0x80, 0xff]) expect(headOf(Uint8Array.of(first, 0, 0, 0))).toBeUndefined();
  });

  test("opens from a slice of a larger buffer, as stores give them", () => {
    const sealed = sealValue(cbor(), { text: "x".repeat(200) }, 7);
    const reply = Buffer.concat([Buffer.alloc(3, 0xff), sealed, Buffer.alloc(5, 0xff)]);
    expect(openValue(cbor(), reply.subarray(3, 3 + sealed.length))).toEqual({ value: { text: "x".repeat(200) }, expiresAt: 7 });
  });

  test("has the stored layout: codec, id, expiry, version, bytes", () => {
    expect(Buffer.from(sealValue(cbor(), 5)).toString("hex")).toBe("00000005");
    expect(Buffer.from(sealValue(json(), 5)).toString("hex")).toBe("01000035");
    expect(Buffer.from(sealValue(cbor(), undefined, 2)).toString("hex")).toBe("40" + "0000000000000040" + "0000" + "f7");
    expect(Buffer.from(sealValue(money(2), { cents: 5, currency: "F" })).toString("hex")).toBe("3f" + "05" + "6d6f6e6579" + "0200" + "352046");
    expect(Buffer.from(sealValue({ ...money(0), id: "m", version: 0x1234 }, { cents: 100, currency: "F" }, 2)).toString("hex")).toBe(
      "7f" + "01" + "6d" + "0000000000000040" + "3412" + "31",
    );
  });

  test("tells the codec which version wrote the value, so that it can read its older shapes", () => {
    for (const [version, currency] of [
      [0, "EUR"],
      [1, "EUR"],
      [2, "SEK"],
    ] as const) {
      expect(openValue(money(2), sealValue(money(version), { cents: 250, currency: "SEK" })).value).toEqual({ cents: 250, currency });
    }
  });

  test("by a newer version of the codec is not read by older code", () => {
    const open = () => openValue(money(1), sealValue(money(2), { cents: 1, currency: "SEK" }), "state total of till");
    expect(open).toThrow(IncompatibleDataError);
    expect(open).toThrow('state total of till: written by version 2 of codec "money", this code has version 1: run the newer code, which can read both');
  });

  test.each([
    ["cbor", "json", sealValue(cbor(), 1), json()],
    ["json", "money", sealValue(json(), 1), money(0)],
    ["money", "cbor", sealValue(money(0), { cents: 1, currency: "F" }), cbor()],
    ["money", "coins", sealValue(money(0), { cents: 1, currency: "F" }), money(0, "coins")],
  ])("by codec %s is not read with codec %s", (written, reads, bytes, codec) => {
    const open = () => openValue(codec as Codec<unknown>, bytes, "stream sales");
    expect(open).toThrow(IncompatibleDataError);
    expect(open).toThrow(`stream sales: written with codec "${written}", but this code reads it with "${reads}"`);
  });

  test("is damaged: a DecodeError says where, how and why", () => {
    const failing: Codec<unknown> = {
      ...money(0),
      decode: () => {
        throw new TypeError("not today");
      },
    };
    expect(() => openValue(failing, sealValue(failing, { cents: 1, currency: "F" }), "state total")).toThrow(
      'state total: codec "money" cannot decode 4 bytes of its version 0: not today',
    );
    expect(() => openValue(cbor(), new Uint8Array())).toThrow("a stored value: 0 bytes are too few for a value");
    expect(() => openValue(cbor(), new Uint8Array([9, 0, 0, 1]))).toThrow("byte 9 begins no value");
    expect(() => openValue(cbor(), sealValue(cbor(), "text").subarray(0, 5))).toThrow(DecodeError);
  });

  test("of any bytes opens or throws one of two errors, and the next one opens as ever", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.jsonValue(), fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
        const sealed = sealValue(cbor(), value, 3);
        sealed[at % sealed.length] = byte;
        return sealed;
      }),
      fc.tuple(fc.jsonValue(), fc.nat()).map(([value, length]) => {
        const sealed = sealValue(cbor(), value);
        return sealed.subarray(0, length % sealed.length);
      }),
    );
    const good = sealValue(cbor(), { sums: new Map([[1, "x"]]) });
    fc.assert(
      fc.property(bytes, (each) => {
        expect(["opened", "DecodeError", "IncompatibleDataError", "NewerDataError"]).toContain(outcomeOf(each));
        expect(openValue(cbor(), good).value).toEqual({ sums: new Map([[1, "x"]]) });
      }),
      { seed: 22, numRuns: 2_000 },
    );
  });

  test("refuses a value that its codec refuses, and a codec that gives no bytes", () => {
    expect(() => sealValue(cbor(), { f() {} })).toThrow(InvalidUseError);
    expect(() => sealValue(cbor(), { f() {} })).toThrow('codec "cbor" cannot encode a value: ');
    const late = { ...money(0), encode: async () => Buffer.from("x") } as unknown as Codec<unknown>;
    expect(() => sealValue(late, 1)).toThrow('codec "money": encode gives a Uint8Array, but gave a promise');
  });

  test("has memory of its own: the codec may use its buffer again", () => {
    const scratch = Buffer.alloc(1);
    const reusing: Codec<number> = {
      id: "reusing",
      version: 0,
      encode: (value) => {
        scratch[0] = value;
        return scratch;
      },
      decode: (bytes) => bytes[0] as number,
    };
    const sealed = [1, 2, 3].map((value) => sealValue(reusing as Codec<unknown>, value));
    expect(sealed.map((bytes) => openValue(reusing as Codec<unknown>, bytes).value)).toEqual([1, 2, 3]);
  });
});
