/** A request that cannot be answered, and why. It never leaves `inspect`. */
export class RequestError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly routes: readonly string[] | undefined;

  constructor(statusCode: number, code: string, message: string, routes?: readonly string[]) {
    super(message);
    this.name = "RequestError";
    this.statusCode = statusCode;
    this.code = code;
    this.routes = routes;
  }
}
