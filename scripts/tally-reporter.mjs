/**
 * A Vitest reporter that counts for `scripts/test.mjs`, into the file that TALLY_FILE names: after every test file, so
 * that a run which is cut short still tells what it did, and once more at the end.
 *
 * Everything that is not a passed test is a failure: failed and skipped tests, files and hooks with errors, and errors
 * that nothing caught. So "0 failed" is true exactly when the run succeeded and left nothing out.
 */
import { writeFileSync } from "node:fs";

export default class TallyReporter {
  #finished = [];

  onTestModuleEnd(file) {
    this.#finished.push(file);
    this.#write(this.#finished, [], false);
  }

  onTestRunEnd(files, unhandledErrors) {
    this.#write(files, unhandledErrors, true);
  }

  #write(files, unhandledErrors, complete) {
    const tests = files.flatMap((file) => [...file.children.allTests()]);
    const states = tests.map((test) => test.result().state);
    const skipped = tests.filter((_, index) => states[index] === "skipped" || states[index] === "pending");
    const broken = tests.filter((_, index) => states[index] === "failed");
    const brokenSuites = files.flatMap((file) => [file, ...file.children.allSuites()]).filter((suite) => suite.errors().length > 0);
    const passed = states.filter((state) => state === "passed").length;
    writeFileSync(
      process.env.TALLY_FILE,
      JSON.stringify({
        complete,
        passed,
        failed: tests.length - passed + brokenSuites.length + unhandledErrors.length,
        skipped: skipped.map(nameOf),
        broken: broken.map((test) => `${nameOf(test)}: ${(test.result().errors?.[0]?.message ?? "").split("\n")[0]}`),
      }),
    );
  }
}

const nameOf = (test) => `${test.module.relativeModuleId} > ${test.fullName}`;
