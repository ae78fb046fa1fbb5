import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DEVICE_DAYS } from "../../src/accounts/known-device.ts";
import { CODE_DIGITS, CODE_MINUTES } from "../../src/accounts/request-sign-in-code.ts";
import { MAX_CODE_TRIES } from "../../src/accounts/sign-in-with-code.ts";
import { attemptRules } from "../../src/accounts/throttle.ts";
import { defaultLimits, RETENTION_DAYS } from "../../src/limits.ts";
import { operationLimits } from "../../src/server/operation-limits.ts";
import { settings } from "../../src/settings.ts";
import { WARNING_DAYS } from "../../src/retention/warn-of-expiry.ts";
import { MAX_DAYS_AHEAD, MAX_DAYS_AT_ONCE } from "../../src/sandbox/advance-clock.ts";

const read = (name: string): string => readFileSync(path.join(import.meta.dirname, "..", "..", name), "utf8").replace(/\s+/g, " ");
const number = (value: number): string => value.toLocaleString("en");

test.each([
  ["README.md", `for ${RETENTION_DAYS} days`],
  ["docs/api.md", `${RETENTION_DAYS} days after sending`],
  ["docs/retention.md", `${RETENTION_DAYS} days later`],
  ["docs/retention.md", `${[...WARNING_DAYS].reverse().slice(0, 2).join(", ")} and ${WARNING_DAYS[0]} days before`],
  ["docs/retention.md", `at most ${defaultLimits.maxHoldYears} years ahead`],
  ["docs/retention.md", `at most ${defaultLimits.maxNoteLength} characters`],
  ["docs/api.md", `at most ${defaultLimits.maxPageSize}. Cursors`],
  ["docs/api.md", `at most ${defaultLimits.maxAttachmentBytes / 1024 / 1024} MB`],
  ["docs/api.md", `for ${defaultLimits.idempotencyHours} hours; with other input`],
  ["docs/api.md", `more than ${number(defaultLimits.maxReplayedEvents)} events were missed`],
  [
    "docs/api.md",
    `${number(operationLimits.maxTokens)} tokens, ${operationLimits.maxFields} fields, ${operationLimits.maxDepth} levels, ${operationLimits.maxAliases} aliases, ${operationLimits.maxDirectives} directives, ${operationLimits.maxRootFields} root fields`,
  ],
  ["docs/api.md", `a cost of ${number(operationLimits.maxCost)}`],
  [
    "docs/api.md",
    `at most ${number(defaultLimits.maxExportMessages)} messages and ${defaultLimits.maxExportBytes / 1024 ** 3} GB, and an account has at most ${defaultLimits.maxExports} that`,
  ],
  ["docs/api.md", `works for ${defaultLimits.exportMinutes} minutes`],
  [
    "docs/api.md",
    `more than ${number(defaultLimits.maxArchiveMembers)} files, or a zip or gzip file that unpacks to more than ${defaultLimits.maxUnpackedBytes / 1024 ** 3} GB or to more than ${defaultLimits.maxUnpackedRatio} times`,
  ],
  [
    "docs/api.md",
    `After ${attemptRules["sign-in/account"].free} failures for one user ID, or ${attemptRules["sign-in/source"].free} from one source, the answer`,
  ],
  ["docs/sign-in/passwords-and-devices.md", `${CODE_DIGITS} digits, good for ${CODE_MINUTES} minutes and once; ${MAX_CODE_TRIES} wrong`],
  ["docs/sign-in/passwords-and-devices.md", `unused for ${DEVICE_DAYS} days`],
  ["docs/decisions.md", `(${number(defaultLimits.maxReplayedEvents)} events)`],
  ["docs/sandbox.md", `readable for ${RETENTION_DAYS} days`],
  ["docs/sandbox.md", `at most ${MAX_DAYS_AT_ONCE} days at once, and at most ${number(MAX_DAYS_AHEAD)} days in all`],
  ["docs/sandbox.md", `forgotten after ${defaultLimits.idempotencyHours} hours`],
  ["README.md", `password: "${settings.DEMO_PASSWORD.default}"`],
])("%s still tells the truth: %s", (file, fact) => {
  expect(read(file)).toContain(fact);
});

const pages = readdirSync(path.join(import.meta.dirname, "..", "..", "docs")).filter((name) => name.endsWith(".md"));

test.each(["README.md", "STYLE.md", "CHANGELOG.md", ...pages.map((name) => `docs/${name}`)])("every file that %s links to is there", (file) => {
  const text = readFileSync(path.join(import.meta.dirname, "..", "..", file), "utf8");
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].flatMap(([, target]) => (target && !target.startsWith("http") ? [target] : []));
  for (const target of links) expect(() => readFileSync(path.join(import.meta.dirname, "..", "..", path.dirname(file), target))).not.toThrow();
});
