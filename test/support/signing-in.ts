import type { TestApp } from "./app.ts";
import { PASSWORD } from "./people.ts";
import { sql } from "./sql.ts";

/** What a sign-in came to, as it stands in the answer. */
export interface SignInAnswer {
  readonly code: string | null;
  readonly retryAfter: number | null;
  readonly token: string | null;
  readonly deviceToken: string | null;
  /** The cookies that it set, by their names, without attributes. */
  readonly cookies: Readonly<Record<string, string>>;
}

/** From where, and on what, somebody signs in. */
export interface SignInOptions {
  readonly password?: string;
  /** The address that the proxy before the app saw. */
  readonly from?: string;
  readonly cookie?: string;
  readonly deviceToken?: string;
  readonly userAgent?: string;
}

const SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { token deviceToken } ... on Problem { code retryAfter } } }";

/** Signs in over HTTP, with the right password unless another is given. */
export async function trySignIn(app: TestApp, userId: string, options: SignInOptions = {}): Promise<SignInAnswer> {
  const { password = PASSWORD, deviceToken } = options;
  const response = await postFrom(app, SIGN_IN, { input: { userId, password, ...(deviceToken !== undefined && { deviceToken }) } }, options);
  const { data } = (await response.json()) as { data: { signIn: Partial<SignInAnswer> } };
  const { code = null, retryAfter = null, token = null, deviceToken: given = null } = data.signIn;
  const cookies = Object.fromEntries(response.headers.getSetCookie().map((cookie) => cookie.split(";", 1)[0]?.split("=", 2) ?? []));
  return { code, retryAfter, token, deviceToken: given, cookies };
}

/** Posts a document as somebody who is not signed in. */
export function postFrom(app: TestApp, query: string, variables: object, { from, cookie, userAgent }: SignInOptions = {}): Promise<Response> {
  const headers = {
    "content-type": "application/json",
    ...(from !== undefined && { "x-forwarded-for": from }),
    ...(cookie !== undefined && { cookie }),
    ...(userAgent !== undefined && { "user-agent": userAgent }),
  };
  return fetch(`${app.url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
}

/** The time that attempts are counted by, standing still until it is moved: the library knows no other than `Date.now()`. */
export interface AttemptTime {
  /** Goes on by so many seconds; by the longest wait if not told. */
  letWaitsPass(seconds?: number): void;
  /** Goes on until all that was counted is long ago. */
  letAttemptsExpire(): void;
  /** Lets the real time go on. */
  restore(): void;
}

/** Holds the time that attempts are counted by. Restore it in `afterAll`. */
export function holdAttemptTime(): AttemptTime {
  const real = Date.now;
  let now = real();
  Date.now = () => now;
  return {
    letWaitsPass: (seconds = 15 * 60) => void (now += seconds * 1000),
    letAttemptsExpire: () => void (now += 25 * 60 * 60 * 1000),
    restore: () => void (Date.now = real),
  };
}

/** As if all that was counted were long ago. */
export async function forgetAttempts(app: TestApp): Promise<void> {
  await sql(app, "update attempts set expire = 0");
}

let sources = 0;

/** An address that nobody has come from yet. */
export function freshSource(): string {
  sources += 1;
  return `198.51.${Math.floor(sources / 250) + 100}.${(sources % 250) + 1}`;
}
