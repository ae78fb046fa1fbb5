import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/** What a child process can be asked to do, by name. Input and answer are what the structured clone algorithm can carry. */
export type Commands = Record<string, (input: never) => unknown>;

interface Call {
  readonly id: number;
  readonly name: string;
  readonly input: never;
}

interface Reply {
  readonly id: number;
  readonly answer: never;
  readonly fault?: string;
}

/** Lets the parent process call these commands, until it goes away: then this process ends, too. */
export function serve(commands: Commands): void {
  const reply = (id: number, result: { answer?: unknown; fault?: string }): void => void process.send?.({ id, ...result });
  const run = async ({ id, name, input }: Call): Promise<void> => {
    try {
      reply(id, { answer: await commands[name]?.(input) });
    } catch (error) {
      reply(id, { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on("message", (call: Call) => void run(call));
  process.on("disconnect", () => process.exit());
}

/** A process of its own, running one file of this folder. */
export class Child<C extends Commands> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  #calls = 0;

  constructor(file: string, nodeArguments: string[] = [], env: Record<string, string> = {}) {
    this.#process = fork(path.join(import.meta.dirname, file), {
      execArgv: [...process.execArgv, ...nodeArguments],
      env: { PATH: process.env.PATH, NODE_ENV: "production", ...env },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#process.on("message", ({ id, answer, fault }: Reply) => {
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (fault === undefined) call?.resolve(answer);
      else call?.reject(new Error(`${file}: ${fault}`));
    });
    this.#process.on("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${file} ended with ${signal ?? `code ${code}`}`));
    });
  }

  /** Runs a command there and resolves to its answer. */
  call<K extends keyof C & string>(name: K, ...[input]: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<C[K]>>>();
    const id = (this.#calls += 1);
    this.#waiting.set(id, { resolve, reject });
    this.#process.send({ id, name, input }, (error) => error && reject(error));
    return promise;
  }

  /** Ends the process. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    if (this.#process.connected) this.#process.disconnect();
    await once(this.#process, "exit");
  }
}

/** CPU time of this process so far, in µs. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The machine's monotonic clock, in ms: the same for all processes. */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
