/** Requests of one owner on a connection, one made at a time: what the pipeline store and its reader both do. */
import type { Connection } from "./connection.ts";
import { type Encoded, Request } from "./request.ts";
import type { Script } from "./script.ts";

export class Calls {
  readonly #connection: Connection;
  readonly #request = new Request();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  begin(...keys: readonly Encoded[]): Request {
    const request = this.#request.begin();
    for (const key of keys) request.key(key);
    return request;
  }
  run(script: Script, request: Request): Promise<unknown> {
    return this.#connection.run(script, request.finishScript(script.sha));
  }
  command(name: string, request: Request): Promise<unknown> {
    return this.#connection.command(name, request.finishCommand(name));
  }
}
