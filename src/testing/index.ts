/** `millrace/testing`: a whole pipeline in a test, on a clock that stands still. */
export { type CrashOptions, PipelineTester, type TestedDeadLetter, type TestedTimer, type TesterOptions } from "./pipeline-tester.ts";
export { VirtualClock } from "./virtual-clock.ts";
