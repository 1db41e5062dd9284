/** The policy for sources in order of time. */
import { BoundedEstimator } from "./bounded-disorder.ts";
import type { WatermarkPolicy } from "./policy.ts";
import { idleAfterOf, type PolicyOptions } from "./policy-options.ts";
import { savedEstimate } from "./saved-estimate.ts";

/**
 * For sources whose timestamps never fall: the watermark is the largest timestamp so far. Records with that same
 * timestamp are still on time; a smaller one is late.
 */
export function ascending(options: PolicyOptions = {}): WatermarkPolicy {
  return {
    kind: "watermark-policy",
    description: "ascending",
    idleAfter: idleAfterOf("ascending", options),
    start: (saved) => new BoundedEstimator(0, savedEstimate(saved)),
  };
}
