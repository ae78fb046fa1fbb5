import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "../support/eventually.ts";

/** The harmless file that every scanner knows (eicar.org), in two pieces lest one takes this source for it. */
export const EICAR = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].join("");

/** Debian's clamd, on a Unix socket and with a signature database of our own that knows EICAR and nothing else. */
export class ClamavDaemon {
  #process: ChildProcess | null = null;

  private constructor(private readonly folder: string) {}

  /** Makes its folder and starts it. */
  static async open(): Promise<ClamavDaemon> {
    const folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-clamav-"));
    await mkdir(path.join(folder, "signatures"));
    await writeFile(path.join(folder, "signatures", "ours.ndb"), `Eicar-Test-Signature:0:*:${Buffer.from(EICAR).toString("hex")}\n`);
    const settings = {
      LocalSocket: path.join(folder, "socket"),
      FixStaleSocket: "yes",
      DatabaseDirectory: path.join(folder, "signatures"),
      TemporaryDirectory: folder,
      Foreground: "yes",
      StreamMaxLength: "26M",
      MaxFileSize: "26M",
      AlertExceedsMax: "yes",
    };
    await writeFile(
      path.join(folder, "clamd.conf"),
      Object.entries(settings)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(""),
    );
    const daemon = new ClamavDaemon(folder);
    await daemon.start();
    return daemon;
  }

  get address(): { path: string } {
    return { path: path.join(this.folder, "socket") };
  }

  /** Starts it; resolves once it answers. */
  async start(): Promise<void> {
    this.#process = spawn("/usr/sbin/clamd", ["--config-file", path.join(this.folder, "clamd.conf")], { stdio: "ignore" });
    await eventually(async () => {
      const socket = connect(this.address);
      try {
        socket.write("zPING\0");
        const [answer]: unknown[] = await once(socket, "data");
        expect(String(answer)).toBe("PONG\0");
      } finally {
        socket.destroy();
      }
    }, 60_000);
  }

  /** Lets it hang with its socket open, or go on. */
  freeze(isFrozen: boolean): void {
    this.#process?.kill(isFrozen ? "SIGSTOP" : "SIGCONT");
  }

  /** Stops it. */
  async stop(): Promise<void> {
    if (this.#process?.exitCode !== null) return;
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  /** Stops it and removes its folder. */
  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
