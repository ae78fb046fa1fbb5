import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";

const run = promisify(execFile);

/** Ceph's object gateway (Debian's radosgw), an S3 server, on a cluster of one that lives in memory. */
export class ObjectGateway {
  #gateway: ChildProcess | null = null;

  private constructor(
    readonly endpoint: string,
    private readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly cluster: readonly ChildProcess[],
  ) {}

  /** Starts a cluster and the gateway before it. Close it in `afterAll`. */
  static async open(): Promise<ObjectGateway> {
    const directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-ceph-"));
    const [monitorPort, port] = [await freePort(), await freePort()];
    const [cluster, disk] = [randomUUID(), randomUUID()];
    const configuration = path.join(directory, "ceph.conf");
    for (const folder of ["mon", "osd", "rgw"]) await mkdir(path.join(directory, folder));
    await writeFile(configuration, configurationOf(cluster, directory, monitorPort, port));
    const env = { ...process.env, CEPH_CONF: configuration };

    const map = path.join(directory, "monmap");
    await run("monmaptool", ["--create", "--fsid", cluster, "--addv", "a", `[v2:127.0.0.1:${monitorPort}]`, map]);
    await run("ceph-mon", ["--mkfs", "-i", "a", "--monmap", map], { env });
    const monitor = daemon("ceph-mon", ["-f", "-i", "a"], env);
    await run("ceph", ["osd", "create", disk], { env });
    await run("ceph-osd", ["--mkfs", "-i", "0", "--osd-uuid", disk], { env });
    const gateway = new ObjectGateway(`http://127.0.0.1:${port}`, directory, env, [monitor, daemon("ceph-osd", ["-f", "-i", "0"], env)]);
    await gateway.start();
    return gateway;
  }

  /** Runs `radosgw-admin`. */
  async administer(...args: string[]): Promise<void> {
    await run("radosgw-admin", args, { env: this.env });
  }

  /** Lets it answer (again). What it stored before is there. */
  async start(): Promise<void> {
    this.#gateway = daemon("radosgw", ["-f", "-n", "client.admin"], this.env);
    await eventually(() => fetch(this.endpoint), 60_000);
  }

  /** Stops it at once, whatever it is doing. */
  async stop(): Promise<void> {
    if (this.#gateway !== null) await end(this.#gateway);
    this.#gateway = null;
  }

  async close(): Promise<void> {
    await this.stop();
    for (const process of this.cluster) await end(process);
    await rm(this.directory, { recursive: true, force: true });
  }
}

function daemon(command: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(command, args, { env, stdio: "ignore" });
}

async function end(process: ChildProcess): Promise<void> {
  const ended = once(process, "exit");
  if (process.kill("SIGKILL")) await ended;
}

function configurationOf(cluster: string, directory: string, monitorPort: number, port: number): string {
  return `[global]
fsid = ${cluster}
mon host = v2:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
paxos propose interval = 0.05
paxos min wait = 0.01
mon data = ${directory}/mon
mon data avail crit = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
rgw data = ${directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw rados pool pg num min = 1
rgw bucket quota ttl = 0
keyring = ${directory}/keyring
run dir = ${directory}
admin socket = ${directory}/$name.asok
log file = ${directory}/$name.log
`;
}
