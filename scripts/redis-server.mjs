/**
 * Finds the Redis or Valkey server that the tests start, and installs Debian's where that takes no decision of anyone:
 * as root on Debian or a distribution made from it. Tests start their own servers; this file starts none.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const INSTALL_HINT =
  "The tests need redis-server (7.0 or later) or valkey-server (7.2 or later) on PATH: install it " +
  "(Debian and Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis) and run this again.";

/** The path of a server that Millrace can use. Throws an error of one line that says what to install. */
export function ensureRedisServer() {
  const present = findRedisServer();
  if (present !== undefined) return present;
  if (process.getuid?.() !== 0 || !isDebian()) throw new Error(INSTALL_HINT);
  installDebianRedis();
  const installed = findRedisServer();
  if (installed === undefined) throw new Error(`Debian's redis-server is older than 7.0. ${INSTALL_HINT}`);
  return installed;
}

function findRedisServer() {
  for (const name of ["redis-server", "valkey-server"]) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const path = join(folder, name);
      if (folder !== "" && isExecutable(path) && isRecent(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Functions and `#!lua flags` came with Redis 7.0; every Valkey has them. */
function isRecent(path) {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  const version = / v=(\d+)\./.exec(stdout ?? "");
  return version !== null && Number(version[1]) >= 7;
}

function isDebian() {
  if (!existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** Installs the package and keeps its service from starting, now (policy-rc.d) and at the next boot. */
function installDebianRedis() {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const options = { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  try {
    execFileSync("apt-get", ["update"], options);
    execFileSync("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], options);
    if (existsSync("/run/systemd/system")) execFileSync("systemctl", ["disable", "redis-server"], options);
  } catch (error) {
    throw new Error(`Installing Debian's redis-server failed (${error.message}). ${INSTALL_HINT}`, { cause: error });
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
