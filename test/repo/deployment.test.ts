/** The files of docs/deploying.md and the rules of docs/redis.md, as far as they can be read without a systemd or a cluster. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { fromIterable, MemoryStore, Pipeline, run, stream, toCallback } from "../../src/index.ts";
import { Keys } from "../../src/store/redis/keys.ts";
import { documentText } from "./document-tables.ts";

interface Probe {
  readonly exec: { readonly command: readonly [string, ...string[]] };
}
interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string }[];
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}
interface Deployment {
  readonly kind: string;
  readonly spec: {
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly [Container] };
    };
  };
}

/** s, as `run` bounds how long it takes to stop. */
const stopSeconds = Number(/STOP_LIMIT = ([\d_]+)/.exec(documentText("src/run.ts"))?.[1]?.replace("_", "")) / 1_000;
const commandLine = documentText("src/cli/program.ts");

const manifests = parseAllDocuments(documentText("examples/deploy/kubernetes.yml")).map((each) => {
  expect(each.errors).toEqual([]);
  return each.toJS() as Deployment;
});
const deployment = manifests.find(({ kind }) => kind === "Deployment") as Deployment;
const [container] = deployment.spec.template.spec.containers;

/** Everything that is not a comment, section by section: names may come several times. */
function unit(): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let current = new Map<string, string>();
  for (const line of documentText("examples/deploy/millrace.service").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const section = /^\[(\w+)\]$/.exec(line)?.[1];
    if (section !== undefined) sections.set(section, (current = new Map<string, string>()));
    else {
      const [, name = "", value = ""] = /^([A-Z]\w+)=(\S.*)$/.exec(line) ?? [];
      expect([line, name]).not.toEqual([line, ""]);
      current.set(name, value);
    }
  }
  return sections;
}

function expectCommand(args: readonly string[]): void {
  expect(commandLine).toContain(`.command("${args[0] ?? ""}")`);
  for (const option of args.filter((arg) => arg.startsWith("--"))) expect(commandLine).toMatch(new RegExp(`"${option} <`));
}

test("the systemd unit is well formed, gives the command time to stop, and stops only the command itself", () => {
  const sections = unit();
  expect([...sections.keys()]).toEqual(["Unit", "Service", "Install"]);
  const service = sections.get("Service") as Map<string, string>;
  const [, , ...args] = (service.get("ExecStart") ?? "").split(" ");
  expectCommand(args);
  expect(Number(service.get("TimeoutStopSec"))).toBeGreaterThan(stopSeconds);
  expect([service.get("KillMode"), service.get("RestartPreventExitStatus")]).toEqual(["mixed", "2"]);
});

test("the Dockerfile's instructions are known, and its lists are JSON", () => {
  const lines = documentText("examples/deploy/Dockerfile").replaceAll("\\\n", " ").trim().split("\n");
  const instructions = lines.map((line) => line.split(" ", 1)[0]);
  expect(instructions).toEqual(["FROM", "WORKDIR", "ENV", "COPY", "RUN", "COPY", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]);
  const listOf = (name: string) => JSON.parse(/\[.*\]$/.exec(lines.find((line) => line.startsWith(`${name} `)) ?? "")?.[0] ?? "") as string[];
  expect(listOf("ENTRYPOINT")[0]).toBe("node");
  expectCommand(listOf("CMD"));
  expect(listOf("HEALTHCHECK")).toEqual(container.livenessProbe.exec.command);
});

test("the Kubernetes manifest parses, its selector finds its pods, and a worker has time to stop", () => {
  expect(manifests.map(({ kind }) => kind)).toEqual(["Deployment", "PodDisruptionBudget"]);
  for (const { spec } of manifests) expect(spec.selector.matchLabels).toEqual(deployment.spec.template.metadata.labels);
  expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(stopSeconds);
  expectCommand(container.args);
  expect(commandLine).toContain(`.env("${container.env[0]?.name ?? ""}")`);
});

test("the probes succeed where a worker runs, and fail where none does", async () => {
  const numbers = stream<number>("numbers");
  const waiting = fromIterable<number>(async function* (_position, signal) {
    await once(signal, "abort");
    yield* [];
  });
  const pipeline = new Pipeline("probed").inject("none", numbers, waiting).sink(
    "nowhere",
    numbers,
    toCallback(() => {}),
  );
  const running = await run(pipeline, { store: new MemoryStore(), http: { port: 0 } });
  onTestFinished(async () => running.stop());
  const port = new URL(running.url ?? "").port;
  const probed = async ({ exec: { command } }: Probe): Promise<unknown> => {
    const [, ...args] = command;
    const [code] = (await once(
      spawn(
        process.execPath,
        args.map((arg) => arg.replace(":7077/", `:${port}/`)),
        { stdio: "ignore" },
      ),
      "close",
    )) as [unknown];
    return code;
  };
  expect(await probed(container.livenessProbe)).toBe(0);
  await expect.poll(() => probed(container.readinessProbe)).toBe(0);
  await running.stop();
  expect([await probed(container.livenessProbe), await probed(container.readinessProbe)]).toEqual([1, 1]);
});

test("every YAML block of the documents parses", () => {
  for (const [, block = ""] of documentText("docs/deploying.md").matchAll(/^```yaml\n([\s\S]*?)^```/gm))
    expect(block.split(/^---$/m).map((each) => typeof parse(each))).not.toContain("string");
});

test("the rights that docs/redis.md names are those that the code asks for", () => {
  const { permissions, readingPermissions } = new Keys("millrace", "any");
  const rules = [...documentText("docs/redis.md").matchAll(/^ACL SETUSER \w+ on >PASSWORD (.*)$/gm)].map(([, rule]) => rule);
  expect(rules).toEqual([permissions, readingPermissions, permissions]);
});
