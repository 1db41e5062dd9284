/** `millrace graph`: the pipeline that a file exports, as its code declares it; nothing is run, and no store is asked. */
import type { Command } from "commander";
import type { ComputationNode, Graph, InjectorNode, ParticipantNode, SinkNode } from "../computation/graph.ts";
import { durationText } from "../inspect/times.ts";
import { DONE } from "./exit.ts";
import { print } from "./remote.ts";

interface GraphOptions {
  readonly mermaid: boolean;
  readonly explain: boolean;
  readonly json: boolean;
}

/** One participant for programs. */
interface NodeView {
  readonly name: string;
  readonly kind: ParticipantNode["kind"];
  /** Hops of a record from an injector to here, at most; each is a commit and, where workers are many, a way between them. */
  readonly hops: number;
  /** Of a computation: slices of its keys; of an injector: partitions of its source. */
  readonly shards: number;
  /** Participants that read what it produces. */
  readonly consumers: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly description?: string;
  readonly watermark?: string;
  readonly state?: readonly { readonly name: string; readonly codec: string; readonly ttl: number | null }[];
  readonly timers?: readonly { readonly name: string; readonly clock: string; readonly tagged: boolean }[];
  readonly attempts?: number;
  readonly onFailure?: string;
}

/** `ended`: told the exit code. */
export function addGraphCommand(program: Command, ended: (code: number) => void): void {
  program
    .command("graph")
    .description("Shows the graph of the pipeline that a file exports. Runs nothing.")
    .argument("<file>", "a .ts, .mts, .js, .mjs or .cjs file whose default export is a Pipeline")
    .option("--mermaid", "as a Mermaid flowchart", false)
    .option("--explain", "with what each participant does, keeps and waits for", false)
    .option("--json", "as JSON", false)
    .action(async (file: string, { mermaid, explain, json }: GraphOptions) => {
      const { loadPipeline } = await import("./load-pipeline.ts");
      const graph = (await loadPipeline(file)).graph();
      const nodes = nodesOf(graph);
      print({ pipeline: graph.pipeline, shards: graph.shards, participants: nodes }, { json }, () =>
        mermaid ? mermaidLines(nodes) : textLines(graph, nodes, explain),
      );
      ended(DONE);
    });
}

function nodesOf({ participants, streams, shards }: Graph): NodeView[] {
  const hops = new Map<string, number>();
  return participants.map((node) => {
    const far = node.upstream.length === 0 ? 0 : 1 + Math.max(...node.upstream.map((name) => hops.get(name) ?? 0));
    hops.set(node.name, far);
    const details = detailsOf(node);
    const consumers = new Set(details.outputs.flatMap((stream) => streams.get(stream)?.consumers ?? []).map(({ participant }) => participant));
    const slices = node.kind === "computation" ? shards : node.kind === "injector" ? node.source.partitions : 1;
    return { ...details, hops: far, shards: slices, consumers: [...consumers] };
  });
}

function detailsOf(node: ParticipantNode): Omit<NodeView, "hops" | "shards" | "consumers"> {
  if (node.kind === "injector") return injectorOf(node);
  return node.kind === "sink" ? sinkOf(node) : computationOf(node);
}

const injectorOf = ({ name, kind, stream, source }: InjectorNode) => {
  const { description, watermark } = source;
  return { name, kind, inputs: [], outputs: [stream], description, watermark: watermark.description };
};

const sinkOf = ({ name, kind, input, target }: SinkNode) => ({ name, kind, inputs: [input.stream], outputs: [], description: target.description });

const computationOf = ({ name, kind, inputs, outputs, cells, timers, options }: ComputationNode) => ({
  name,
  kind,
  inputs: inputs.map(({ stream }) => stream),
  outputs: outputs.map(({ stream }) => stream),
  state: cells.map(({ name: cell, codec, ttl }) => ({ name: cell, codec: codec.id, ttl: ttl ?? null })),
  timers: timers.map(({ name: timer, clock, tagged }) => ({ name: timer, clock, tagged })),
  attempts: options.attempts,
  onFailure: options.onFailure,
});

function textLines({ pipeline, shards }: Graph, nodes: readonly NodeView[], explain: boolean): string[] {
  return [
    `pipeline ${pipeline}: ${nodes.length} participants, ${shards} shards a computation`,
    ...nodes.flatMap((node) => ["", `${node.kind} ${node.name}`, ...edgeLines(node), ...(explain ? explainLines(node) : [])]),
  ];
}

const edgeLines = ({ inputs, outputs, description }: NodeView): string[] => [
  ...(description === undefined ? [] : [`  ${inputs.length > 0 ? "writes" : "reads"} ${description}`]),
  ...inputs.map((stream) => `  <- ${stream}`),
  ...outputs.map((stream) => `  -> ${stream}`),
];

function explainLines({ name, kind, hops, shards, consumers, watermark, state = [], timers = [], attempts, onFailure, outputs }: NodeView): string[] {
  const cells = state.map((cell) => `${cell.name} (${cell.codec}${cell.ttl === null ? "" : `, for ${durationText(cell.ttl)} after it was written`})`);
  const set = timers.map(
    (timer) => `${timer.name} (by ${timer.clock === "watermark" ? "event time" : "the clock"}, ${timer.tagged ? "one a key and tag" : "one a key"})`,
  );
  return [
    ...(watermark === undefined ? [] : [`  watermark: ${watermark}`]),
    `  hops: ${hops === 0 ? "0, records come in here" : `${hops}, each record is committed ${hops === 1 ? "once" : `${hops} times`} before it is done here`}`,
    `  shards: ${shards}${kind === "sink" ? ", one worker writes" : `, so at most ${shards} ${shards === 1 ? "worker has" : "workers have"} a part of it`}`,
    ...(kind === "computation"
      ? [`  state: ${cells.length === 0 ? "none" : cells.join(", ")}`, `  timers: ${set.length === 0 ? "none" : set.join(", ")}`]
      : []),
    ...(attempts === undefined ? [] : [`  on failure: ${attempts} ${attempts === 1 ? "try" : "tries"}, then ${onFailure ?? "park"}`]),
    ...(outputs.length === 0 ? [] : [`  feeds: ${consumers.length === 0 ? `no one, so what ${name} produces is dropped` : consumers.join(", ")}`]),
  ];
}

const SHAPES = { injector: ["([", "])"], computation: ["[", "]"], sink: ["[(", ")]"] } as const;

function mermaidLines(nodes: readonly NodeView[]): string[] {
  const idOf = (name: string): string => `n${nodes.findIndex((node) => node.name === name)}`;
  const shapes = nodes.map(({ name, kind, state = [], timers = [] }) => {
    const [open, close] = SHAPES[kind];
    const kept = [...state.map((cell) => cell.name), ...timers.map((timer) => `${timer.name} timer`)];
    return `  ${idOf(name)}${open}"${[name, ...(kept.length === 0 ? [] : [`<small>${kept.join(", ")}</small>`])].join("<br>")}"${close}`;
  });
  const edges = nodes.flatMap(({ name, outputs }) =>
    outputs.flatMap((stream) => nodes.filter(({ inputs }) => inputs.includes(stream)).map((to) => `  ${idOf(name)} -->|${stream}| ${idOf(to.name)}`)),
  );
  return ["flowchart LR", ...shapes, ...edges];
}
