/** One ready operation: a file of `examples/`, its variables' template beside it. */
export interface Example {
  /** Name of its operation, which is also its tab's title. */
  readonly name: string;
  readonly group: string;
  readonly title: string;
  readonly query: string;
  /** Variables in which a text such as `{{messageId}}` stands for a fact; undefined when it has none. */
  readonly variables: unknown;
}

/** What is known of the signed-in account, by the names that templates use. */
export type Facts = Readonly<Record<string, string | readonly string[]>>;

const documents = import.meta.glob<string>("./examples/*.graphql", { query: "?raw", import: "default", eager: true });
const templates = import.meta.glob<unknown>("./examples/*.json", { import: "default", eager: true });

/** All examples, in the order of their file names. */
export const examples: readonly Example[] = Object.entries(documents).map(([path, query]) => {
  const [, group = "", title = ""] = /^# ([^:\n]+): (.+)/.exec(query) ?? [];
  const [, name = ""] = /^(?:query|mutation|subscription) (\w+)/m.exec(query) ?? [];
  if (!group || !name) throw new Error(`${path} must begin with "# Group: title" and name its operation`);
  return { name, group, title, query, variables: templates[path.replace(/\.graphql$/, ".json")] };
});

/** The tabs that are open at first, in the order of the story they tell. */
export const story: readonly Example[] = ["SignIn", "Inbox", "OpenMessage", "Reply", "Upload", "MailboxChanged"].flatMap((name) =>
  examples.filter((example) => example.name === name),
);

/** An example's variables as JSON text, with the facts put in. What is not known keeps its `{{name}}`. */
export function fill(example: Example, facts: Facts): string {
  if (example.variables === undefined) return "";
  return JSON.stringify(example.variables, (_key, value: unknown) => facts[placeholder(value) ?? ""] ?? value, 2);
}

/** Says what to do about the first `{{name}}` that is still in the variables; undefined when none is. */
export function missingFact(variables: unknown): string | undefined {
  let missing: string | undefined;
  JSON.stringify(variables, (_key, value: unknown) => {
    missing ??= placeholder(value);
    return value;
  });
  return missing && (advice[missing] ?? `Put a value in the place of {{${missing}}} in the variables; this account has none to offer.`);
}

const advice: Readonly<Record<string, string>> = {
  draftId: "There is no draft yet. Run the example “Save a draft” first; its id is then filled in here.",
  sessionId: "Run the example “My sessions” first. If another session of yours is alive, its id is then filled in here; “Sign in” starts one.",
  deviceId: "Run the example “My devices” first. If you have signed in on another one, its id is then filled in here.",
  exportId: "Run the example “Export a mailbox” first; the export’s id is then filled in here.",
  holdId: "Sign in as an employee and run the example “Place a hold” first; its id is then filled in here.",
  noticeToken: "Copy what stands behind “?notice=” in the link of a notice (in the demo: /demo/mail) in the place of {{noticeToken}}.",
  code: "Copy the eight digits of the mail (in the demo: /demo/mail) in the place of {{code}}.",
  enrolmentToken: "Run the example “Validate the address” first; the token that it answers is then filled in here.",
  resetToken: "Run the example “Forgot the password” first; the token that it answers is then filled in here.",
  linkToken: "Open the link of the mail (in the demo: /demo/mail), or copy what stands behind “#token=” in it in the place of {{linkToken}}.",
  totp: "Put the six digits that the authenticator app shows now in the place of {{totp}} in the variables. “Set up an authenticator app” begins one.",
  challengeId: "Run “Begin a passkey” or “Ask for a passkey” first; the challenge’s id is then filled in here.",
  passkeyResponse: 'Put what the browser gave, as JSON, in the place of "{{passkeyResponse}}"; “Begin a passkey” and “Ask for a passkey” say how.',
  passkeyId: "Run “My second factors” and put the id of a passkey in the place of {{passkeyId}}.",
  accessTokenId: "Run the example “Make an access token” first; its id is then filled in here.",
  invitedAccountId:
    "Sign in as an administrator and run the example “Invite an employee” first; the account’s id is then filled in here. Or put one of “People” in its place.",
  teamMailboxId:
    "Sign in as an administrator and run the example “Open a team’s mailbox” first; its id is then filled in here. Or put one of “Teams” in its place.",
  password: "Type your password in the place of {{password}} in the variables, or use the fields at the top.",
};

function placeholder(value: unknown): string | undefined {
  return typeof value === "string" ? /^\{\{(\w+)\}\}$/.exec(value)?.[1] : undefined;
}
