import { describe, expect, test } from "vitest";
import { fuzz } from "../../fuzz/fuzz.ts";
import type { Target } from "../../fuzz/target.ts";
import { targets } from "../../fuzz/targets/index.ts";

const INPUTS = 10_000;
/** Over the network each input is a connection. */
const CONNECTIONS = 1_000;

describe("whatever the bytes are, reading them gives a value or a typed error, soon", () => {
  test.each([...targets])("%s", async (name, make) => {
    const target = await make();
    try {
      const { crashes, found, refused, inputs } = await fuzz(target, name === "http" ? CONNECTIONS : INPUTS, 1);
      expect(found.map(({ why, input }) => `${why}: ${Buffer.from(input).toString("base64")}`)).toEqual([]);
      expect(crashes).toBe(0);
      // Inputs that are all refused, or of which none is, do not get far.
      expect(refused).toBeLessThan(inputs);
    } finally {
      await target.close?.();
    }
  });
});

describe("a target that is wrong is found", () => {
  const corpus = [Uint8Array.from({ length: 40 }, (_, i) => i)];
  const wrongs: Readonly<Record<string, { readonly read: Target["read"]; readonly why: string }>> = {
    "one that throws what is not typed": {
      read: (input) => Buffer.from(input).readUInt32LE(20),
      why: "threw RangeError",
    },
    "one that allocates what a length says": {
      read: (input) => (input[0] === 0xff && input[1] === 1 ? Buffer.alloc(100 << 20) : undefined),
      why: "MiB of memory",
    },
    "one that takes its time": {
      read: (input) => {
        for (const until = performance.now() + (input[3] === 0xff ? 30 : 0); performance.now() < until; );
      },
      why: "each time",
    },
    "one that changes what every object has": {
      read: (input) => {
        if (input[0] === 0xff) Object.defineProperty(Object.prototype, "polluted", { value: 1, configurable: true });
      },
      why: "changed the prototype of objects",
    },
  };

  test.each(Object.entries(wrongs))("%s", async (_, { read, why }) => {
    const { found } = await fuzz({ name: "wrong", corpus, read, patience: 20 }, 1_000, 1);
    Reflect.deleteProperty(Object.prototype, "polluted");
    expect(found.map((each) => each.why).join()).toContain(why);
  });
});
