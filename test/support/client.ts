import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type GraphQLFormattedError, print } from "graphql";
import { createClient, type Client as SocketClient } from "graphql-ws";
import { WebSocket } from "ws";
import { SignInDocument, UploadDocument, type UploadMutation } from "../../operations/generated/operations.ts";

/** An answer as it came over the wire. */
export interface Answer<Data> {
  readonly status: number;
  readonly data?: Data | null;
  readonly errors?: readonly GraphQLFormattedError[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** Somebody using the API through its front door; without a token nobody. */
export class Client {
  constructor(
    readonly url: string,
    readonly token: string | null = null,
  ) {}

  /** Signs in over HTTP, as an app does. */
  static async signIn(url: string, userId: string, password: string): Promise<Client> {
    const { signIn } = await new Client(url).run(SignInDocument, { input: { userId, password } });
    if (!("token" in signIn)) throw new Error(`${userId} cannot sign in: ${signIn.code}`);
    return new Client(url, signIn.token);
  }

  /** Runs an operation that must succeed, and returns its data. */
  async run<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    const { data, errors } = await this.send<Data>(print(document), variables);
    if (errors || !data) throw new Error(`The operation failed: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Posts a document as text and returns whatever comes back. */
  async send<Data = Record<string, unknown>>(query: string, variables: unknown = {}, headers: Record<string, string> = {}): Promise<Answer<Data>> {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...this.authorization(), ...headers },
      body: JSON.stringify({ query, variables }),
    });
    return answerOf(response);
  }

  /** The codes of the errors that an operation answers with. */
  async refusals(query: string, variables: unknown = {}): Promise<unknown[]> {
    const { errors } = await this.send(query, variables);
    return (errors ?? []).map(({ extensions }) => extensions?.code);
  }

  /** Uploads a file by the multipart request specification. */
  async upload(fileName: string, bytes: Uint8Array<ArrayBuffer> | string): Promise<UploadMutation["uploadAttachment"]> {
    const form = new FormData();
    form.set("operations", JSON.stringify({ query: print(UploadDocument), variables: { file: null } }));
    form.set("map", JSON.stringify({ 0: ["variables.file"] }));
    form.set("0", new Blob([bytes]), fileName);
    const response = await fetch(`${this.url}/graphql`, { method: "POST", headers: { ...this.authorization(), "apollo-require-preflight": "1" }, body: form });
    const { data, errors } = await answerOf<UploadMutation>(response);
    if (!data) throw new Error(`The upload failed: ${JSON.stringify(errors)}`);
    return data.uploadAttachment;
  }

  /** Uploads a file that must be taken, and returns its id. */
  async uploaded(fileName: string, bytes: Uint8Array<ArrayBuffer> | string): Promise<string> {
    const result = await this.upload(fileName, bytes);
    if (!("attachment" in result)) throw new Error(`The upload was refused: ${result.code}`);
    return result.attachment.id;
  }

  /** Gets a path below the server, as a browser follows a link. */
  download(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { headers: { ...this.authorization(), ...headers } });
  }

  /** Opens a socket, signed in by `connection_init`. Dispose of it. */
  socket(options: Partial<Parameters<typeof createClient>[0]> = {}): SocketClient {
    return createClient({
      url: `${this.url.replace(/^http/, "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: this.token === null ? {} : { authorization: `Bearer ${this.token}` },
      retryAttempts: 0,
      ...options,
    });
  }

  /** Subscribes over a socket of its own; events are read one by one. */
  subscribe<Data, Variables extends Record<string, unknown>>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Subscription<Data> {
    const socket = this.socket();
    const events = socket.iterate<Data>({ query: print(document), variables });
    return {
      async next() {
        const { done, value } = await events.next();
        if (done) return null;
        if (value.errors || !value.data) throw new Error(`The subscription failed: ${JSON.stringify(value.errors)}`);
        return value.data;
      },
      async close() {
        await events.return?.();
        await socket.dispose();
      },
    };
  }

  private authorization(): Record<string, string> {
    return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
  }
}

/** A running subscription. */
export interface Subscription<Data> {
  /** The next event; null once the server has ended it. Fails if the socket is closed on it. */
  next(): Promise<Data | null>;
  close(): Promise<void>;
}

async function answerOf<Data>(response: Response): Promise<Answer<Data>> {
  return { status: response.status, ...((await response.json()) as Omit<Answer<Data>, "status">) };
}
