/** A request that cannot be answered as asked, and why. It never leaves the HTTP server. */
export class RequestError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly routes: readonly string[] | undefined;
  /** What the answer says besides. */
  readonly details: object | undefined;

  constructor(statusCode: number, code: string, message: string, { routes, details }: { routes?: readonly string[]; details?: object } = {}) {
    super(message);
    this.name = "RequestError";
    this.statusCode = statusCode;
    this.code = code;
    this.routes = routes;
    this.details = details;
  }
}
