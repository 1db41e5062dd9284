/**
 * Who may ask what of an HTTP endpoint: the tokens it knows, what each is good for, and the names by which it may be asked.
 * It answers nothing itself.
 *
 * K1  A token is compared by its SHA-256 in constant time, with every token that is known: neither its letters nor which
 *     one it is can be told from how long that takes.
 * K2  An endpoint that can be reached from other machines has tokens, or is not opened.
 * K3  What shows state, or changes something for an operator, needs a token on loopback too.
 * K4  No message has a token in it.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { ConfigError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import { parseAddress } from "./address.ts";

/** `read`: what is shown, state too. `ingest`: posting records. `operate`: all that operators do, and what `read` is good for. */
export type Scope = "read" | "ingest" | "operate";

/** One who may ask. Two may be valid at once, so that one can be replaced. */
export interface AccessToken {
  /** 22 to 512 letters of base64url, base64 or hex: 128 bits or more, as `openssl rand -hex 32` makes them. */
  readonly token: string;
  readonly scopes: readonly Scope[];
}

/** How an endpoint is opened. */
export interface HttpOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Address to listen on; one that other machines can reach needs `tokens`. Default: "127.0.0.1". */
  readonly host?: string | undefined;
  /** HOST:PORT where the workers of other machines reach this one, and nobody else. Default: none, only those of this machine do. */
  readonly address?: string | undefined;
  /** Who may ask. With any, every route but `/healthz` and `/readyz` needs one. Default: none. */
  readonly tokens?: readonly AccessToken[] | undefined;
  /** Names by which it may be asked besides its addresses, as a proxy in front of it is called. Default: none. */
  readonly names?: readonly string[] | undefined;
  /**
   * Requests that one client, by its address, may make a second, 1 to 1,000,000; false: any number. Default: 2,000 where other
   * machines can reach it; any number on loopback, where what asks may be a proxy with all clients behind it.
   */
  readonly requestsPerSecond?: number | false | undefined;
}

/** What a route asks for. `open`: nothing. `secret`: a token even where none is configured, so that it is refused there. */
export interface Needed {
  readonly scopes: readonly Scope[] | "open";
  readonly secret: boolean;
}

export const LOOPBACK = "127.0.0.1";
const SCOPES: readonly Scope[] = ["read", "ingest", "operate"];
const OWN_NAMES: readonly string[] = ["localhost", LOOPBACK, "[::1]"];
const TOKEN = /^[\w.~+/=-]{22,512}$/;
const NAME = /^[a-z\d]([a-z\d.-]*[a-z\d])?$/;

export type Verdict = "allowed" | "unknown" | "forbidden" | "none-configured";

export class Access {
  readonly host: string;
  readonly names: readonly string[];
  readonly #tokens: readonly { readonly digest: Buffer; readonly scopes: ReadonlySet<Scope> }[];
  readonly beyondLoopback: boolean;

  /** Throws `ConfigError` where it cannot be opened so. */
  constructor(where: string, options: HttpOptions) {
    const { port, host = LOOPBACK, tokens = [], names = [] } = checked(where, options);
    this.host = host;
    this.beyondLoopback = !isLoopback(host);
    if (this.beyondLoopback && tokens.length === 0) {
      throw new ConfigError(
        `${where}: ${host} can be reached from other machines, so whoever asks needs a token: give tokens (millrace run: MILLRACE_TOKENS, or --tokens FILE), or leave the host out to listen on ${LOOPBACK}:${port} alone`,
      );
    }
    this.#tokens = tokens.map(({ token, scopes }) => ({ digest: digestOf(token), scopes: new Set(scopes) }));
    this.names = [...new Set([...OWN_NAMES, ...(isIP(host) > 0 ? [] : [host.toLowerCase()]), ...names.map((name) => name.toLowerCase())])];
  }

  /**
   * May it be asked under this name? Only a name can be made to resolve to this machine by someone else, so where others
   * may reach it any address will do.
   */
  answersTo(hostname: string): boolean {
    return this.names.includes(hostname) || (this.beyondLoopback && isIP(hostname.replace(/^\[|\]$/g, "")) > 0);
  }

  /** `authorization`: the header of a request. */
  judge({ scopes, secret }: Needed, authorization: string | undefined): Verdict {
    if (scopes === "open" || (this.#tokens.length === 0 && !secret)) return "allowed";
    if (this.#tokens.length === 0) return "none-configured";
    const has = this.#scopesOf(/^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "");
    if (has === undefined) return "unknown";
    return scopes.some((scope) => has.has(scope) || (scope === "read" && has.has("operate"))) ? "allowed" : "forbidden";
  }

  #scopesOf(token: string): ReadonlySet<Scope> | undefined {
    const digest = digestOf(token);
    let found: ReadonlySet<Scope> | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.scopes;
    return found;
  }
}

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest();

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function checked(where: string, options: HttpOptions): HttpOptions {
  checkOptions(where, options, ["port", "host", "address", "tokens", "names", "requestsPerSecond"]);
  const { port, host, address, tokens, names, requestsPerSecond: rate } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`${where}: port is an integer from 0 (any free one) to 65535, but it is ${String(port)}`);
  if (host !== undefined && !(typeof host === "string" && (isIP(host) > 0 || NAME.test(host.toLowerCase()))))
    throw new ConfigError(`${where}: host is an address to listen on, as "0.0.0.0", but it is ${show(host)}`);
  if (address !== undefined) parseAddress(where, address);
  if (names !== undefined && !(Array.isArray(names) && names.every((name) => typeof name === "string" && NAME.test(name.toLowerCase()))))
    throw new ConfigError(`${where}: names are names of hosts without a port, as in ["millrace.example.com"]`);
  if (rate !== undefined && rate !== false && !(Number.isInteger(rate) && rate >= 1 && rate <= 1_000_000))
    throw new ConfigError(`${where}: requestsPerSecond is an integer from 1 to 1000000, or false for any number, but it is ${show(rate)}`);
  if (tokens !== undefined && !Array.isArray(tokens)) throw new ConfigError(`${where}: tokens are an array, as in [{ token, scopes: ["read"] }]`);
  tokens?.forEach((token, at) => checkToken(`${where}: tokens[${at}]`, token));
  return options;
}

function checkToken(where: string, given: AccessToken): void {
  checkOptions(where, given ?? "nothing", ["token", "scopes"]);
  if (typeof given.token !== "string" || !TOKEN.test(given.token))
    throw new ConfigError(`${where}: a token has 22 to 512 letters of base64 or hex, as "openssl rand -hex 32" makes them`);
  const known = Array.isArray(given.scopes) && given.scopes.length > 0 && given.scopes.every((scope) => SCOPES.includes(scope));
  if (!known) throw new ConfigError(`${where}: scopes are some of ${SCOPES.join(", ")}`);
}

/** Tokens as text has them: "read:TOKEN operate+ingest:TOKEN", with white space between; from `#` on a line is a comment. */
export function tokensIn(where: string, text: string): AccessToken[] {
  const words = text.replace(/#.*$/gm, "").split(/\s+/).filter(Boolean);
  return words.map((word, at) => {
    const [scopes, ...rest] = word.split(":");
    const token = { token: rest.join(":"), scopes: (scopes ?? "").split("+") as Scope[] };
    checkToken(`${where}: entry ${at + 1} (SCOPE:TOKEN, or SCOPE+SCOPE:TOKEN)`, token);
    return token;
  });
}
