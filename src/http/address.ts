/** Addresses by which the workers of other machines reach this one. */
import { ConfigError } from "../errors.ts";
import { show } from "../options.ts";

/** HOST:PORT; a host in brackets is IPv6. Throws `ConfigError`. */
export function parseAddress(where: string, address: string): { readonly host: string; readonly port: number } {
  const text = typeof address === "string" ? address : "";
  const [, bracketed, plain, port = ""] = /^(?:\[([\da-f:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535)
    throw new ConfigError(`${where}: address is HOST:PORT by which other machines reach this one, as in "10.0.0.5:7078", but it is ${show(address)}`);
  return { host, port: Number(port) };
}
