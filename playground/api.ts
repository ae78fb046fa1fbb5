import type { PlaygroundConfig } from "../src/server/playground.ts";

/** A GraphQL answer as it came, or one of our own making when none came. */
export interface Answer<Data = Record<string, unknown>> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

/** A GraphQL request as GraphiQL hands it over. */
export interface Request {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: unknown;
}

/** Where HTTP requests and the WebSocket go. */
export const endpoint = "/graphql";

/** Asks the server how the page is to behave. */
export async function loadConfig(): Promise<PlaygroundConfig> {
  const response = await fetch("/playground/config.json");
  if (!response.ok) throw new Error(`config.json was answered with ${response.status}`);
  return (await response.json()) as PlaygroundConfig;
}

/** Sends one operation with the session's cookie. Never throws: whatever goes wrong is an answer with `errors`. */
export function send<Data = Record<string, unknown>>(request: Request, headers: Record<string, string> = {}): Promise<Answer<Data>> {
  return post<Data>(JSON.stringify(request), { "content-type": "application/json", ...headers });
}

/** Sends one operation beside the session: with a bearer token of its own, or with nothing. */
export function sendAs<Data>(token: string | null, query: string, variables?: unknown): Promise<Answer<Data>> {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  return post<Data>(JSON.stringify({ query, variables }), headers, "omit");
}

/** Sends one operation whose variables named in `files` are files, by the GraphQL multipart request specification. */
export function sendFiles(request: Request, files: ReadonlyMap<string, File>, headers: Record<string, string> = {}): Promise<Answer> {
  const names = [...files.keys()];
  const variables = { ...(request.variables as object | undefined), ...Object.fromEntries(names.map((name) => [name, null])) };
  const form = new FormData();
  form.append("operations", JSON.stringify({ ...request, variables }));
  form.append("map", JSON.stringify(Object.fromEntries(names.map((name, index) => [index, [`variables.${name}`]]))));
  [...files.values()].forEach((file, index) => form.append(String(index), file));
  return post(form, headers);
}

async function post<Data>(body: BodyInit, headers: Record<string, string>, credentials: RequestCredentials = "same-origin"): Promise<Answer<Data>> {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      body,
      credentials,
      headers: { accept: "application/graphql-response+json, application/json;q=0.9", "apollo-require-preflight": "1", ...headers },
    });
    const text = await response.text();
    try {
      return JSON.parse(text) as Answer<Data>;
    } catch {
      return { errors: [{ message: `The server answered ${response.status} ${response.statusText}: ${text.slice(0, 500)}` }] };
    }
  } catch {
    return { errors: [{ message: "The server could not be reached." }] };
  }
}

/** The data of a mutation: each of its fields a payload, or a problem with its message. */
export type MaybeProblem = Record<string, { readonly message?: string } | null>;

/** What an answer says went wrong, be it an error or a problem; undefined when nothing did. */
export function refusalOf({ data, errors }: Answer<MaybeProblem>): string | undefined {
  return errors?.[0]?.message ?? Object.values(data ?? {}).find((payload) => payload?.message)?.message;
}
