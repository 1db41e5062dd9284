/** The graph of a pipeline, as its code declares it: `/v1/pipeline`. */
import type { PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import type { ParticipantView, PipelineView } from "./views.ts";

/** `store`: where the data is kept, without credentials. */
export function pipelineView({ engine, name }: Worker, store: string): PipelineView {
  const { plan } = engine.options;
  const { graph } = plan;
  return {
    pipeline: graph.pipeline,
    worker: name,
    store,
    version: plan.version,
    shards: graph.shards,
    participants: plan.participants.map(participantView),
    streams: [...graph.streams.values()].map(({ name: stream, codec, producers, consumers }) => ({
      name: stream,
      codec: codec.id,
      producers,
      consumers: consumers.map(({ participant }) => participant),
    })),
  };
}

function participantView(participant: PlannedParticipant): ParticipantView {
  const { name, kind, shards, node } = participant;
  const base = { name, kind, shards, upstream: node.upstream };
  if (participant.kind === "injector") {
    const { source, stream } = participant.node;
    return { ...base, inputs: [], outputs: [stream], description: source.description, policy: source.watermark.description };
  }
  if (participant.kind === "sink") {
    const { input, target } = participant.node;
    return { ...base, inputs: [{ name: input.name, stream: input.stream }], outputs: [], description: target.description };
  }
  const { inputs, outputs, cells, timers, options } = participant.node;
  return {
    ...base,
    inputs: inputs.map((input) => ({ name: input.name, stream: input.stream })),
    outputs: outputs.map(({ stream }) => stream),
    state: cells.map(({ name: cell, codec }) => ({ name: cell, codec: codec.id })),
    timers: timers.map(({ name: timer, clock }) => ({ name: timer, clock })),
    onFailure: options.onFailure,
    attempts: options.attempts,
  };
}
