import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** The PostgreSQL that runs on a cluster; it tells its port a moment after its start. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number | undefined;
}

/** Finds the PostgreSQL that runs on a cluster (a real path); a pid file whose process is dead or another program's counts for nothing. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const [pid, , , port] = (await readPidFile(cluster)).split("\n").map(Number);
  if (!pid || !(await runsOn(cluster, pid))) return undefined;
  return { pid, port: port || undefined };
}

/** Ends the PostgreSQL of a cluster: a fast shutdown, an immediate one after 5 s, an Error after 10 s. */
export async function endPostmaster(cluster: string, { pid }: Postmaster): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    const deadline = performance.now() + 5_000;
    if (await runsOn(cluster, pid)) process.kill(pid, signal);
    while (performance.now() < deadline) {
      if (!(await runsOn(cluster, pid))) return;
      await sleep(20);
    }
  }
  throw new Error(`PostgreSQL (process ${pid}) does not end on ${cluster}`);
}

/**
 * Takes a stale pid out of a cluster's pid file, because PostgreSQL refuses to start while that pid lives on as any
 * other program; the other lines stay, as from them it finds old backends that still use the cluster's memory.
 */
export async function forgetPid(cluster: string): Promise<void> {
  const [pid, ...rest] = (await readPidFile(cluster)).split("\n");
  if (pid) await writeFile(join(cluster, "postmaster.pid"), [PID_OF_NOBODY, ...rest].join("\n"));
}

/** The greatest pid_t, which no system gives to a process. */
const PID_OF_NOBODY = 2 ** 31 - 1;

async function readPidFile(cluster: string): Promise<string> {
  return await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
}

async function runsOn(cluster: string, pid: number): Promise<boolean> {
  return (await commandLine(pid)).includes(`-D ${cluster} -p `);
}

/** What a process was called with, or "" when there is none (Linux has it in /proc, others tell through ps). */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === "linux") {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
  }
  return await promisify(execFile)("ps", ["-ww", "-o", "command=", "-p", String(pid)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}
