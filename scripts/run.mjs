// Runs a command once all it needs is there: Node 24, the packages of the lock file, the built browser files.
//
//   node scripts/run.mjs <command> [arguments...]
//
// It takes npm and any Node from 18, says nothing when there is nothing to do, and may run several times at once.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runtime = join(root, ".runtime");
const windows = process.platform === "win32";

try {
  const [command, ...args] = process.argv.slice(2);
  if (!command) throw new Error("Usage: node scripts/run.mjs <command> [arguments...]");
  if (!findNode() || !packagesAreFresh() || !assetsAreFresh()) await oneAtATime(prepare);
  run(command, args);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** Brings what is missing and was not brought by another run meanwhile; `build:assets` must not come back here, it would wait for itself. */
function prepare() {
  if (!findNode()) bringNode();
  if (!packagesAreFresh()) {
    console.error("Installing packages, this takes about a minute…");
    npm("ci", "--include=dev", "--no-audit", "--no-fund");
  }
  if (!assetsAreFresh()) {
    console.error("Building the browser files…");
    npm("run", "build:assets");
  }
}

/** The Node to use: this one, else the one brought along, else none. */
function findNode() {
  if (Number.parseInt(process.versions.node) >= NODE) return process.execPath;
  const brought = nodeIn(runtime);
  return existsSync(brought) ? brought : undefined;
}

function nodeIn(folder) {
  return join(folder, nodePackage(), "bin", windows ? "node.exe" : "node");
}

/** The npm package that holds Node for this machine. */
function nodePackage() {
  if (windows) return `node-win-${process.arch}`;
  const machine = `${process.platform}-${process.arch}`;
  return machine === "darwin-arm64" ? `node-bin-${machine}` : `node-${machine}`;
}

/** Brings Node from the npm registry; it takes its place in one move, once it is complete and known to run. */
function bringNode() {
  const name = nodePackage();
  const draft = join(runtime, "draft");
  console.error(`Fetching Node ${NODE}, as this machine has ${process.version}…`);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft);
  try {
    npm("install", `${name}@${NODE}`, "--prefix", draft, "--no-save", "--no-package-lock", "--no-audit", "--no-fund");
    const { status } = spawnSync(nodeIn(join(draft, "node_modules")), ["--version"]);
    if (status !== 0) throw new Error(`${name} does not run on this machine.`);
  } catch (error) {
    throw new Error(`${error.message}\nInstall Node ${NODE} or newer and try again.`);
  }
  renameSync(join(draft, "node_modules", name), join(runtime, name));
  rmSync(draft, { recursive: true, force: true });
}

/** Whether the packages that are installed are those of the lock file, as npm's own note of what it installed says. */
function packagesAreFresh() {
  const installed = readJson("node_modules/.package-lock.json").packages ?? {};
  return Object.entries(readJson("package-lock.json").packages ?? {}).every(([path, wanted]) => {
    const found = installed[path];
    if (!found) return path === "" || wanted.optional;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/** Whether the browser files are younger than their sources and the packages they are made with. */
function assetsAreFresh() {
  if (!readJson("package.json").scripts?.["build:assets"]) return true;
  const built = changedAt(join(root, "dist/playground/index.html"));
  return changedAt(join(root, "node_modules/.package-lock.json")) <= built && changedAt(join(root, "playground")) <= built;
}

/** When a file, or the youngest file in a folder, was changed: in ms, 0 if there is none. */
function changedAt(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found?.mtimeMs ?? 0;
  return Math.max(0, ...readdirSync(path).map((name) => changedAt(join(path, name))));
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return {};
    throw new Error(`${path}: ${error.message}`);
  }
}

/** Runs npm under the Node to use; its output is shown only when it fails. */
function npm(...args) {
  const cli = /npm-cli\.c?js$/.test(process.env.npm_execpath ?? "") ? [process.env.npm_execpath] : [];
  const [command, ...first] = cli.length ? [findNode() ?? process.execPath, ...cli] : ["npm"];
  const { status, stdout, stderr, error } = spawnSync(command, [...first, ...args], {
    cwd: root,
    env: environment(),
    shell: windows && !cli.length,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${stdout ?? ""}${stderr ?? ""}npm ${args[0]} failed${error ? `: ${error.message}` : "."}`);
}

/** Our environment with the Node to use and the packages' commands on its path. */
function environment() {
  const env = { ...process.env };
  const path = Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  const node = dirname(findNode() ?? process.execPath);
  const commands = join(root, "node_modules", ".bin");
  env[path] = [...(node.startsWith(runtime) ? [node, commands] : [commands, node]), env[path]].join(delimiter);
  return env;
}

/** Lets one run after the other do its work; the lock of a run that was killed counts for nothing. */
async function oneAtATime(work) {
  const lock = join(runtime, "lock");
  mkdirSync(runtime, { recursive: true });
  for (let last; !take(lock);) {
    const holder = holderOf(lock);
    if (isAlive(holder)) {
      if (holder !== last) console.error(`Waiting for process ${holder}, which is installing (its lock is ${lock})…`);
    } else if (holder === last) rmSync(lock, { force: true });
    last = holder;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** The process that took a lock, 0 as long as it has not written its id. */
function holderOf(lock) {
  try {
    return Number(readFileSync(lock, "utf8"));
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Runs the command in our place: its signals, its exit code, and none of the variables that npm adds. */
function run(command, args) {
  const env = environment();
  for (const name of Object.keys(env)) if (/^npm_|^NODE$/i.test(name)) delete env[name];
  const child = spawn(command, args, { env, stdio: "inherit", shell: windows });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
  child.on("error", (error) => {
    console.error(error.code === "ENOENT" ? `${command}: command not found` : error.message);
    process.exit(127);
  });
}
