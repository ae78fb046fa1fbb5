import { createClient, type Client } from "graphql-ws";
import type { PlaygroundConfig } from "../src/server/playground.ts";
import { endpoint, refusalOf, send, type Answer, type MaybeProblem } from "./api.ts";
import { writeTo } from "./demo.ts";
import type { Arrival } from "./arrival.ts";
import type { Facts } from "./examples.ts";
import { factsOf, factsQuery, type Account, type FactsData } from "./facts.ts";
import { learnFrom, type Learned } from "./learned.ts";

/** What the page shows of the session at one moment. */
export interface SessionState {
  readonly account: Account | null;
  readonly facts: Facts;
  /** Whether the account was last looked up for the page itself or because of an operation somebody ran, whose answer then stands. */
  readonly lookedUpFor: "page" | "operation";
  /** Something the bar has to say: a failure, or that something is done. */
  readonly notice: { readonly kind: "error" | "done"; readonly text: string } | null;
}

/** The page's session: who is signed in, what is known of them, and their socket. */
export interface Session {
  readonly config: PlaygroundConfig;
  /** The example to go on with for whoever came by the link of a mail. */
  readonly arrivedAt: string | undefined;
  readonly get: () => SessionState;
  readonly subscribe: (listener: () => void) => () => void;
  /** The account's socket; made anew whenever another account signs in. */
  readonly socket: () => Client;
  /** Signs in through the public mutation; a refusal becomes the notice. */
  readonly signIn: (userId: string, password: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  /** Asks again who is signed in and what they hold. */
  readonly refresh: (lookedUpFor?: SessionState["lookedUpFor"]) => Promise<void>;
  /** Takes from an operation that ran what later examples need (an upload, another session, an export, a used key), and refreshes. */
  readonly learn: (variables: unknown, answer: Answer) => Promise<void>;
  /** Whether an idempotency key has been sent and answered. */
  readonly keyWasUsed: (key: string) => boolean;
  /** Demo only: has another account write to the signed-in one, so that a subscription has something to show. */
  readonly receiveMessage: () => Promise<void>;
}

const signOutMutation = "mutation SignOut { signOut { ... on SignOutPayload { signedOutAt } ... on Problem { code message } } }";

const signInMutation = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { ... on SignInPayload { expiresAt } ... on Problem { code message } }
}`;

/** Remembers over a reload, in this tab only, that one signed out on purpose. */
const signedOutKey = "playground.signedOut";

/** Opens the session that the cookie names. In the demo, where nobody is signed in, it signs `member` in, unless a mail's link brought somebody. */
export async function openSession(config: PlaygroundConfig, { example: arrivedAt, ...carried }: Arrival): Promise<Session> {
  const listeners = new Set<() => void>();
  const usedKeys = new Set<string>();
  let state: SessionState = { account: null, facts: {}, lookedUpFor: "page", notice: null };
  let client: Client | undefined;
  const nothingLearned: Learned = { uploadedAttachmentIds: [], ...carried };
  let learned = nothingLearned;
  let refreshes = 0;

  const set = (change: Partial<SessionState>): void => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  const fail = (text: string): void => set({ notice: { kind: "error", text } });

  const session: Session = {
    config,
    arrivedAt,
    get: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    socket: () => (client ??= createClient({ url: `${location.origin.replace(/^http/, "ws")}${endpoint}`, retryAttempts: 3 })),
    async signIn(userId, password) {
      const refusal = refusalOf(await send<MaybeProblem>({ query: signInMutation, variables: { input: { userId, password } } }));
      if (refusal) return fail(refusal);
      sessionStorage.removeItem(signedOutKey);
      await session.refresh();
    },
    async signOut() {
      const refusal = refusalOf(await send<MaybeProblem>({ query: signOutMutation }));
      if (refusal) return fail(refusal);
      sessionStorage.setItem(signedOutKey, "yes");
      await session.refresh();
    },
    async refresh(lookedUpFor = "page") {
      const turn = ++refreshes;
      const { data, errors } = await send<FactsData>({ query: factsQuery });
      if (turn !== refreshes) return; // a later one knows better
      const [error] = errors ?? [];
      if (!data && error?.extensions?.code !== "UNAUTHENTICATED") return fail(error?.message ?? "The server gave no answer.");
      const viewer = data?.viewer ?? null;
      const account = viewer?.account ?? null;
      if (account?.id !== state.account?.id) {
        learned = { ...nothingLearned, startCursor: viewer?.mailboxes[0]?.cursor };
        void client?.dispose();
        client = undefined;
      }
      set({ account, facts: factsOf(config, viewer, learned), lookedUpFor, notice: null });
    },
    async learn(variables, { data }) {
      JSON.stringify(variables, (name, value: unknown) => {
        if (data && name === "idempotencyKey" && typeof value === "string") usedKeys.add(value);
        return value;
      });
      learned = learnFrom(learned, data);
      await session.refresh("operation");
    },
    keyWasUsed: (key) => usedKeys.has(key),
    async receiveMessage() {
      const { account } = state;
      if (!config.demo || !account) return;
      const sender = config.accounts.find(({ kind }) => (kind === "EMPLOYEE") !== (account.kind === "EMPLOYEE")) ?? config.accounts[0];
      if (!sender) return;
      const failure = await writeTo(account.address, sender, config.password);
      if (failure) fail(failure);
      else set({ notice: { kind: "done", text: `${sender.displayName} wrote to you.` } });
    },
  };

  await session.refresh();
  if (config.demo && !arrivedAt && !state.account && !state.notice && !sessionStorage.getItem(signedOutKey)) await session.signIn("member", config.password);
  return session;
}
