import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, InvalidUseError, SinkLostDataError, SinkUnavailableError } from "../../src/errors.ts";
import type { SinkWriter } from "../../src/sinks/sink.ts";
import { type FileSinkOptions, toFile } from "../../src/sinks/to-file.ts";
import { recordOf, recordsOf } from "../support/records.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { built } from "../support/built.ts";

const path = temporaryDirectory();
const content = (at: string): string => readFileSync(at, "utf8");
const open = (at: string, checkpoint?: unknown, options: FileSinkOptions<unknown> = {}): Promise<SinkWriter> =>
  toFile(at, options).open(structuredClone(checkpoint));

/** Opens, writes and closes: gives the checkpoint after it. */
async function written(at: string, values: readonly unknown[], checkpoint?: unknown): Promise<unknown> {
  const writer = await open(at, checkpoint);
  try {
    return await writer.write(recordsOf(values));
  } finally {
    await writer.close();
  }
}

describe("lines", () => {
  test("each value is a line of JSON, in the order of the records", async () => {
    const at = path("a.ndjson");
    const writer = await open(at);
    await writer.write(recordsOf([{ a: 1 }, "two"]));
    await writer.write(recordsOf([new Map([["three", 3]])]));
    await writer.close();
    expect(content(at)).toBe('{"a":1}\n"two"\n[["three",3]]\n');
  });

  test("line makes the text of a record, from its value and all of it", async () => {
    const at = path("a.txt");
    const writer = await open(at, undefined, { line: (value, record) => `${record.id}: ${String(value)} €` });
    await writer.write([recordOf(5, "x"), recordOf(6, "y")]);
    await writer.close();
    expect(content(at)).toBe("x: 5 €\ny: 6 €\n");
  });

  test("a line that throws, or is no string, leaves nothing of the call and the writer usable", async () => {
    const at = path("a.txt");
    const writer = await open(at, undefined, {
      line: (value) => {
        if (value === 13) throw new Error("unlucky");
        return value as string;
      },
    });
    await expect(writer.write(recordsOf(["a", 13]))).rejects.toThrow("unlucky");
    await expect(writer.write(recordsOf(["a", 14]))).rejects.toThrow(InvalidUseError);
    expect(content(at)).toBe("");
    await writer.write(recordsOf(["a", "b"]));
    await writer.close();
    expect(content(at)).toBe("a\nb\n");
  });

  test("writing nothing gives the checkpoint where it stands", async () => {
    const at = path("a.ndjson");
    const writer = await open(at);
    const checkpoint = await writer.write(recordsOf([1]));
    expect(await writer.write([])).toEqual(checkpoint);
    await writer.close();
  });

  test("without fsync the same is written", async () => {
    const at = path("a.ndjson");
    const writer = await open(at, undefined, { fsync: false });
    expect(await writer.write(recordsOf([1, 2]))).toMatchObject({ bytes: 4 });
    await writer.close();
    expect(content(at)).toBe("1\n2\n");
  });
});

describe("the first open", () => {
  test("makes directories and file, and says that it began at 0", async () => {
    const at = join(path("deep"), "er", "a.ndjson");
    const writer = await open(at);
    expect(writer.initial).toEqual({ bytes: 0, tail: "" });
    expect(statSync(at).size).toBe(0);
    await writer.close();
  });

  test("keeps what a file holds, and says where it ended", async () => {
    const at = path("a.ndjson");
    writeFileSync(at, "old\n");
    const writer = await open(at);
    expect(writer.initial).toMatchObject({ bytes: 4 });
    await writer.write(recordsOf([1]));
    await writer.close();
    expect(content(at)).toBe("old\n1\n");
  });

  test("ends a last line that was not ended, once, also after a crash", async () => {
    const at = path("a.ndjson");
    writeFileSync(at, "old");
    const first = await open(at);
    const { initial } = first;
    await first.write(recordsOf([1]));
    await first.close();
    expect(content(at)).toBe("old\n1\n");
    const second = await open(at, initial);
    expect(content(at)).toBe("old");
    expect(second.initial).toBeUndefined();
    await second.write(recordsOf([2]));
    await second.write(recordsOf([3]));
    await second.close();
    expect(content(at)).toBe("old\n2\n3\n");
  });

  test("a crash before the first commit of records leaves nothing, if the initial checkpoint was committed", async () => {
    const at = path("a.ndjson");
    writeFileSync(at, "theirs\n");
    const first = await open(at);
    const { initial } = first;
    await first.write(recordsOf([1, 2]));
    await first.close();
    await written(at, [1, 2, 3], initial);
    expect(content(at)).toBe("theirs\n1\n2\n3\n");
  });
});

describe("a crash", () => {
  test("cuts what was written after the last commit, whole lines and parts", async () => {
    const at = path("a.ndjson");
    const committed = await written(at, [1, 2]);
    await written(at, [3], committed);
    appendFileSync(at, '{"half":');
    await written(at, [4], committed);
    expect(content(at)).toBe("1\n2\n4\n");
  });

  test("any run of writes, commits and crashes leaves each committed record once, in order, after what was there before", async () => {
    const step = fc.record({
      values: fc.array(fc.oneof(fc.integer(), fc.string({ unit: "grapheme" })), { maxLength: 4 }),
      outcome: fc.constantFrom("commit", "crash", "torn"),
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(undefined, "", "theirs\n", "unended"), fc.array(step, { maxLength: 8 }), async (before, steps) => {
        const at = path("a.ndjson");
        if (before !== undefined) writeFileSync(at, before);
        let expected = before ?? "";
        let writer = await open(at, undefined, { fsync: false });
        let checkpoint = writer.initial;
        for (const { values, outcome } of steps) {
          const after = await writer.write(recordsOf(values));
          if (outcome === "commit") {
            checkpoint = after;
            if (values.length > 0 && expected !== "" && !expected.endsWith("\n")) expected += "\n";
            expected += values.map((value) => `${JSON.stringify(value)}\n`).join("");
          } else {
            await writer.close();
            if (outcome === "torn") truncateSync(at, Math.max((checkpoint as { bytes: number }).bytes, statSync(at).size - 1));
            writer = await open(at, checkpoint, { fsync: false });
          }
        }
        await writer.close();
        await (await open(at, checkpoint)).close();
        expect(content(at)).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe("lost data", () => {
  test("a file one byte shorter than the checkpoint is refused, one of that length is not", async () => {
    const at = path("a.ndjson");
    const checkpoint = await written(at, [1, 2]);
    await (await open(at, checkpoint)).close();
    truncateSync(at, 3);
    await expect(open(at, checkpoint)).rejects.toThrow(
      new SinkLostDataError(
        `file ${at} has 3 bytes, but 4 were committed to it. Put the file back as it was; or, to start over, delete the data of the pipeline too`,
      ),
    );
    expect(content(at)).toBe("1\n2");
  });

  test("a file that is gone is refused, unless nothing was committed to it", async () => {
    const at = path("a.ndjson");
    const writer = await open(at);
    await writer.close();
    const checkpoint = await written(at, [1], writer.initial);
    unlinkSync(at);
    await expect(open(at, checkpoint)).rejects.toThrow(SinkLostDataError);
    expect(existsSync(at)).toBe(false);
    await written(at, [2], writer.initial);
    expect(content(at)).toBe("2\n");
  });

  test("another file under the same name is refused and not cut, however long it is", async () => {
    const at = path("a.ndjson");
    const checkpoint = await written(at, [1, 2]);
    writeFileSync(at, "precious\nother data\n");
    await expect(open(at, checkpoint)).rejects.toThrow(/does not hold what was committed to it, up to byte 4/);
    expect(content(at)).toBe("precious\nother data\n");
  });

  test("a file that is removed or replaced while it is open is noticed before the next write", async () => {
    for (const harm of [unlinkSync, (at: string) => (renameSync(at, `${at}.1`), writeFileSync(at, ""))]) {
      const at = path("a.ndjson");
      const writer = await open(at);
      const checkpoint = await writer.write(recordsOf([1]));
      harm(at);
      await expect(writer.write(recordsOf([2]))).rejects.toThrow(SinkUnavailableError);
      await writer.close();
      await expect(open(at, checkpoint)).rejects.toThrow(SinkLostDataError);
    }
  });
});

describe("two writers", () => {
  test("a former owner that goes on writing harms nothing, and is told", async () => {
    const at = path("a.ndjson");
    const former = await open(at);
    const committed = await former.write(recordsOf([1]));
    await former.write(recordsOf([2]));
    const owner = await open(at, committed);
    const mine = await owner.write(recordsOf([3, 4]));
    await expect(former.write(recordsOf([5]))).rejects.toThrow(/someone else writes to it/);
    await expect(former.write(recordsOf([5]))).rejects.toThrow(SinkUnavailableError);
    await former.close();
    expect(content(at)).toBe("1\n3\n4\n");
    expect(await owner.write(recordsOf([6]))).not.toEqual(mine);
    await owner.close();
    expect(content(at)).toBe("1\n3\n4\n6\n");
  });

  test("a former owner whose file was cut under it is told too", async () => {
    const at = path("a.ndjson");
    const former = await open(at);
    const committed = await former.write(recordsOf([1]));
    await former.write(recordsOf([2]));
    const owner = await open(at, committed);
    await expect(former.write(recordsOf([3]))).rejects.toThrow(/has 2 bytes before a write, not 4/);
    await former.close();
    await owner.close();
  });

  test("bytes that a former owner wrote late are not cut by a writer, but by the owner's next open", async () => {
    const at = path("a.ndjson");
    const owner = await open(at);
    const committed = await owner.write(recordsOf([1]));
    appendFileSync(at, "late\n");
    await expect(owner.write(recordsOf([2]))).rejects.toThrow(SinkUnavailableError);
    expect(content(at)).toBe("1\nlate\n");
    await owner.close();
    await written(at, [2], committed);
    expect(content(at)).toBe("1\n2\n");
  });
});

describe("a target that cannot be written to", () => {
  test("a write that the disk has only half room for is taken back, and the writer is done for", async () => {
    const at = path("a.ndjson");
    const script = built("test/support/write-on-small-disk.ts");
    const printed = execFileSync("sh", ["-c", 'ulimit -f 1000; exec "$@"', "sh", process.execPath, script, at], {
      encoding: "utf8",
    });
    const [committed, failed, after] = JSON.parse(printed) as unknown[];
    expect(failed).toMatch(/^SinkUnavailableError: file .*a\.ndjson could not be written to: EFBIG/);
    expect(after).toMatch(/^SinkUnavailableError: file .*a\.ndjson has failed before/);
    expect(content(at)).toBe('"a"\n');
    await written(at, ["b"], committed);
    expect(content(at)).toBe('"a"\n"b"\n');
  });

  test("what is no regular file, or under one, is refused", async () => {
    const directory = path("directory");
    mkdirSync(directory);
    await expect(open(directory)).rejects.toThrow(ConfigError);
    await expect(open("/dev/null")).rejects.toThrow(/use toConsole or toCallback/);
    const at = path("a.ndjson");
    writeFileSync(at, "");
    await expect(open(join(at, "b.ndjson"))).rejects.toThrow(ConfigError);
  });

  test("a checkpoint of another kind of sink is refused", async () => {
    for (const checkpoint of [null, 5, {}, { bytes: -1, tail: "" }, { bytes: 1 }])
      await expect(open(path("a.ndjson"), checkpoint)).rejects.toThrow(ConfigError);
  });
});

test("options that cannot be meant are refused when the sink is made", () => {
  expect(() => toFile("")).toThrow(ConfigError);
  expect(() => toFile("a", { line: "x" as never })).toThrow(/line is not a function/);
  expect(() => toFile("a", { sync: false } as object)).toThrow(new ConfigError('toFile (a): there is no option "sync"; there are line, fsync'));
  expect(() => toFile("a", { fsync: "no" as never })).toThrow(new ConfigError('toFile (a): fsync is true or false, but it is "no"'));
  expect(toFile("a.ndjson")).toMatchObject({ kind: "sink", description: "file a.ndjson", attempts: 5 });
});
