/** One worker's instances of a pipeline's computations, with what their handles stand for in the plan. */
import { bindHandles, type HandleRef } from "../computation/binding.ts";
import type { Computation } from "../computation/computation.ts";
import { EffectComputation } from "../effects/effect-computation.ts";
import type { EffectRunner } from "../effects/effects.ts";
import { Gate } from "./gate.ts";
import { HotKeys } from "./hot-keys.ts";
import type { Keyed } from "./keyed.ts";
import type { Plan, PlannedComputation, PlannedStream } from "./plan.ts";

/**
 * New instances, by participant id. Throws `ConfigError` where a computation's factory gives another shape than before.
 *
 * @param runner of the pipeline's effects; one that has none needs none.
 */
export function makeInstances(plan: Plan, runner?: EffectRunner): ReadonlyMap<number, Keyed> {
  const instances = new Map<number, Keyed>();
  for (const participant of plan.participants) if (participant.kind === "computation") instances.set(participant.id, new BoundInstance(participant, runner));
  return instances;
}

class BoundInstance implements Keyed {
  readonly instance: Computation;
  readonly gate: Gate | undefined;
  readonly hotKeys = new HotKeys();
  readonly #planned: PlannedComputation;
  readonly #handles: ReadonlyMap<object, HandleRef>;

  constructor(planned: PlannedComputation, runner: EffectRunner | undefined) {
    this.#planned = planned;
    this.instance = planned.node.make();
    const { effect } = planned.node;
    if (this.instance instanceof EffectComputation) this.instance.runner = runner;
    this.gate = effect !== undefined && runner?.limited === true ? new Gate(effect) : undefined;
    this.#handles = bindHandles(this.instance, planned.node);
  }

  inputOf(handle: object): number | undefined {
    const index = this.#indexOf(handle, "input");
    return index === undefined ? undefined : this.#planned.inputs[index]?.id;
  }
  cellOf(handle: object): number | undefined {
    return this.#indexOf(handle, "state");
  }
  timerOf(handle: object): number | undefined {
    return this.#indexOf(handle, "timer") ?? this.#indexOf(handle, "timers");
  }
  timerIdOf(handle: object): number | undefined {
    const index = this.timerOf(handle);
    return index === undefined ? undefined : this.#planned.timers[index]?.id;
  }
  streamOf(handle: object): PlannedStream | undefined {
    const index = this.#indexOf(handle, "output");
    return index === undefined ? undefined : this.#planned.outputs[index];
  }

  #indexOf(handle: object, kind: HandleRef["kind"]): number | undefined {
    const found = this.#handles.get(handle);
    return found?.kind === kind ? found.index : undefined;
  }
}
