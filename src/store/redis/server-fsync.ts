/** Do the servers sync what they have answered? Asked each time, for an operator may change it while they run. */
import { InvariantError, StoreRefusedError } from "../../errors.ts";
import { Calls } from "./calls.ts";
import type { Servers } from "./line.ts";
import { asList, asText } from "./reply.ts";
import { FSYNC_SETTINGS, refusalOfFsync } from "./server-check.ts";

/** Why one of them does not; undefined: all do. */
export async function whyNotFsynced(servers: Servers): Promise<string | undefined> {
  try {
    for (const line of servers.lines()) {
      const calls = new Calls(line);
      const request = calls.begin().text("GET");
      for (const name of FSYNC_SETTINGS) request.text(name);
      const refusal = refusalOfFsync(asList(await calls.command("CONFIG", request)).map((each) => asText(each)));
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreRefusedError || error instanceof InvariantError)) throw error;
    return `Redis does not tell whether it syncs (${error.message}); allow the user the command CONFIG GET ("+config|get")`;
  }
}
