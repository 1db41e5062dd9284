/** `millrace audit`: is what a store holds of its pipelines sound? Reads beside the workers that run, and writes nothing. */
import { audit, type AuditReport, storedPipelines } from "../audit/audit.ts";
import { messageOf } from "../errors.ts";
import { auditLines } from "./audit-text.ts";
import { DONE, UNCHECKED, UsageError, VIOLATED } from "./exit.ts";
import { storeOf } from "./store-option.ts";

export interface AuditCommandOptions {
  readonly store: string;
  readonly pipeline?: string;
  readonly json: boolean;
}

/** Prints to standard output and gives the exit code; what keeps it from checking goes to standard error. */
export async function auditCommand(options: AuditCommandOptions): Promise<number> {
  try {
    return await auditAll(options);
  } catch (error) {
    process.stderr.write(`error: not checked: ${messageOf(error)}\n`);
    return UNCHECKED;
  }
}

/** The named pipeline, or every one of the store, one after the other. */
async function auditAll({ store: text, pipeline, json }: AuditCommandOptions): Promise<number> {
  const { store, forgets } = storeOf(text);
  if (forgets) throw new UsageError("--store memory: is in the memory of the process that uses it; give the store that the pipeline runs on");
  const names = pipeline === undefined ? await storedPipelines(store) : [pipeline];
  if (names.length === 0) throw new UsageError("the store has no pipeline's data; give the --store that the pipeline runs on");
  const reports: AuditReport[] = [];
  for (const name of names) {
    const began = Date.now();
    const report = await audit(store, { pipeline: name });
    reports.push(report);
    if (!json) process.stdout.write(`${auditLines(report, Date.now() - began).join("\n")}\n`);
  }
  const violations = reports.reduce((sum, report) => sum + report.violations, 0);
  if (json) process.stdout.write(`${JSON.stringify({ violations, pipelines: reports }, undefined, 2)}\n`);
  return violations === 0 ? DONE : VIOLATED;
}
