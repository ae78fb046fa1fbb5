import type { PlaygroundAccount } from "../src/server/playground.ts";
import { refusalOf, sendAs, type MaybeProblem } from "./api.ts";
import { newKey } from "./key.ts";

/**
 * Writes a short message to `address` as another account of the demo, by the public schema and a bearer token, so that the page's own
 * session stays as it is. Answers with what went wrong, if something did.
 */
export async function writeTo(address: string, sender: PlaygroundAccount, password: string): Promise<string | undefined> {
  const signedIn = await sendAs<{ signIn: { token?: string; message?: string } }>(null, signIn, { input: { userId: sender.userId, password } });
  const token = signedIn.data?.signIn.token;
  if (!token) return refusalOf(signedIn) ?? "The demo account could not sign in.";
  const viewer = await sendAs<{ viewer: { mailboxes: { id: string; kind: string }[] } | null }>(token, "{ viewer { mailboxes { id kind } } }");
  const mailboxId = viewer.data?.viewer?.mailboxes.find(({ kind }) => kind === "PERSON")?.id;
  const input = {
    mailboxId,
    to: [address],
    subject: `A message from ${sender.displayName}`,
    body: { text: `Sent from the playground at ${new Date().toLocaleTimeString("en-US")}.` },
    idempotencyKey: newKey(),
  };
  const sent = await sendAs<MaybeProblem>(token, sendMessage, { input });
  await sendAs(token, "mutation { signOut { __typename } }");
  return refusalOf(sent);
}

const signIn = "mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { token } ... on Problem { message } } }";
const sendMessage = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on Problem { message } } }";
