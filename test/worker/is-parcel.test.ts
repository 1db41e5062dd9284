/** Which bytes are a parcel: all that is packed, and nothing that was cut, lengthened or changed in its lengths. */
import { expect, test } from "vitest";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { shardRef } from "../../src/key.ts";
import { isParcel, packParcel, Production, whole } from "../../src/worker/parcel.ts";

const production = (place: number, id?: string): Production =>
  new Production(shardRef(2, 0), 3, { place, timestamp: 1_000 + place, id }, `key ${place}`, cbor(), whole(cbor().encode("x".repeat(place))));

test("what was packed is a parcel; cut anywhere, or with a byte more, it is none", () => {
  const packed = packParcel(shardRef(1, 0), 1_700_000_000_000, [production(1), production(2, "an id"), production(3)]);
  expect(isParcel(packed)).toBe(true);
  for (let length = 0; length < packed.length; length++) expect([length, isParcel(packed.subarray(0, length))]).toEqual([length, false]);
  expect(isParcel(Buffer.concat([packed, Buffer.alloc(1)]))).toBe(false);
});

test("bytes of another format, or a parcel of no records, are none", () => {
  const packed = packParcel(shardRef(1, 0), 5, [production(1)]);
  expect(isParcel(Buffer.concat([Uint8Array.of(2), packed.subarray(1)]))).toBe(false);
  expect(isParcel(packParcel(shardRef(1, 0), 5, []))).toBe(false);
  expect(isParcel(Buffer.alloc(200))).toBe(false);
});
