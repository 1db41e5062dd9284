/** Can commits append to streams of the user's, on the server where the pipeline is? Changes nothing. */
import { messageOf, StoreRefusedError } from "../../errors.ts";
import type { Calls } from "./calls.ts";
import { asText } from "./reply.ts";
import { encode } from "./request.ts";

/** An id that no entry can have: whoever may append is told so, whoever may not is told that instead. */
const NO_ID = "none";

/** Throws a `StoreRefusedError` that says which key, and what to do. */
export async function checkStream(calls: Calls, description: string, key: string): Promise<void> {
  const refuse = (what: string): never => {
    throw new StoreRefusedError(`${description}: ${what}`);
  };
  const name = JSON.stringify(key);
  try {
    const kind = asText(await calls.command("TYPE", calls.begin(encode(key))));
    if (kind !== "stream" && kind !== "none") refuse(`the key ${name} holds a ${kind}, not a stream; give the sink another key`);
    await calls.command("XADD", calls.begin(encode(key)).text(NO_ID).text("field").text("value"));
  } catch (error) {
    const text = messageOf(error);
    if (text.includes("NOPERM")) refuse(`the user may not append to the stream ${name}; allow the key (ACL SETUSER: ~${key})`);
    if (!text.includes("Invalid stream ID")) throw error;
  }
}
