/** `millrace/testing`: a whole pipeline in a test, on a clock that stands still. */
export { PipelineTester } from "./pipeline-tester.ts";
export type { FailOptions } from "./commanded-failures.ts";
export type { ConnectorCheck } from "./conformance/check.ts";
export { injectorChecks, type InjectorHarness } from "./conformance/injector-checks.ts";
export { sinkChecks, type SinkHarness } from "./conformance/sink-checks.ts";
export type { TestedEffect, TestedEffects } from "./recorded-effects.ts";
export { type CrashOptions, type TestedDeadLetter, type TestedTimer, type Tester, type TesterOptions } from "./tester.ts";
export { ScheduleError, underFaults, type UnderFaultsOptions } from "./under-faults.ts";
export { VirtualClock } from "./virtual-clock.ts";
