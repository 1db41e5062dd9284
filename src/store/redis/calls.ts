/** Requests of one owner on a line, one made at a time: what the pipeline store and its reader both do. */
import type { Line } from "./line.ts";
import { type Encoded, Request } from "./request.ts";
import type { Script } from "./script.ts";

export class Calls {
  readonly #line: Line;
  readonly #request: Request;

  /** `request`: what several on different lines may share, for each is written in one go. */
  constructor(line: Line, request: Request = new Request()) {
    this.#line = line;
    this.#request = request;
  }

  begin(...keys: readonly Encoded[]): Request {
    const request = this.#request.begin();
    for (const key of keys) request.key(key);
    return request;
  }
  run(script: Script, request: Request): Promise<unknown> {
    return this.#line.run(script, request.finishScript(script.sha));
  }
  command(name: string, request: Request): Promise<unknown> {
    return this.#line.command(name, request.finishCommand(name));
  }
}
