import type { Fetcher, FetcherOpts, FetcherParams, Observable } from "@graphiql/toolkit";
import { Kind, OperationTypeNode, type DocumentNode, type OperationDefinitionNode } from "graphql";
import type { ExecutionResult } from "graphql-ws";
import { send, sendFiles, type Answer } from "./api.ts";
import { missingFact } from "./examples.ts";
import type { Session } from "./session.ts";

/** How many events of a subscription stay in sight. */
const eventsShown = 50;

/**
 * How GraphiQL runs an operation: subscriptions over the session's socket; an operation with an `Upload` variable asks for a file first
 * and travels as multipart; everything else is one HTTP request. The session learns from each answer.
 */
export function createFetcher(session: Session): Fetcher {
  return (params, options) => {
    const operation = findOperation(options?.documentAST, params.operationName);
    if (!operation) return send(params) as Promise<ExecutionResult>; // the introspection
    const missing = missingFact(params.variables);
    if (missing) return { errors: [{ message: missing }] } as unknown as ExecutionResult;
    if (operation.operation === OperationTypeNode.SUBSCRIPTION) return listen(session, params);
    return run(operation, params, options).then((answer) => {
      void session.learn(params.variables, answer);
      return answer as ExecutionResult;
    });
  };
}

async function run(operation: OperationDefinitionNode, params: FetcherParams, options: FetcherOpts | undefined): Promise<Answer> {
  const names = uploadVariables(operation);
  if (names.length === 0) return send(params, options?.headers);
  const files = new Map<string, File>();
  for (const name of names) {
    const file = await chooseFile();
    if (!file) return { errors: [{ message: "No file was chosen, so nothing was sent." }] };
    files.set(name, file);
  }
  return sendFiles(params, files, options?.headers);
}

/** Opens the browser's file picker, which it allows because pressing Run was just a click or a key. */
function chooseFile(): Promise<File | undefined> {
  const input = document.createElement("input");
  input.type = "file";
  return new Promise((resolve) => {
    input.addEventListener("change", () => resolve(input.files?.[0]));
    input.addEventListener("cancel", () => resolve(undefined));
    input.click();
  });
}

/** Shows the events of a subscription as a list, the newest first: GraphiQL by itself would show only the last. */
function listen(session: Session, params: FetcherParams): Observable<ExecutionResult> {
  return {
    subscribe(observer) {
      if (typeof observer !== "object" || observer === null) throw new TypeError("expected an observer");
      const account = session.get().account?.id;
      let stopped = false;
      let shown: { subscribedAt: string; ended?: string; received: number; events: unknown[] } = {
        subscribedAt: new Date().toISOString(),
        received: 0,
        events: [],
      };
      const show = (change: Partial<typeof shown>): void => {
        shown = { ...shown, ...change };
        // Once stopped, or signed in as somebody else, the pane belongs to another answer.
        if (!stopped && session.get().account?.id === account) observer.next(shown as unknown as ExecutionResult);
      };
      const end = (reason: string): void => {
        show({ ended: reason });
        if (!stopped) observer.complete();
      };
      show({});
      const unsubscribe = session.socket().subscribe(
        { ...params, operationName: params.operationName ?? null },
        {
          next: (event) => show({ received: shown.received + 1, events: [event, ...shown.events].slice(0, eventsShown) }),
          error: (error) => end(reasonOf(error)),
          complete: () => end("by the server"),
        },
      );
      return {
        unsubscribe() {
          stopped = true;
          unsubscribe();
        },
      };
    },
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof CloseEvent) return `the socket was closed with ${`${error.code} ${error.reason}`.trim()}`;
  if (Array.isArray(error)) return error.map(({ message }: { message: string }) => message).join("; ");
  return error instanceof Error ? error.message : "the socket was lost";
}

function findOperation(document: DocumentNode | undefined, name: string | null | undefined): OperationDefinitionNode | undefined {
  const operations = document?.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION) ?? [];
  return operations.find((operation) => operation.name?.value === name) ?? operations[0];
}

function uploadVariables(operation: OperationDefinitionNode): string[] {
  return (operation.variableDefinitions ?? []).flatMap(({ variable, type }) => {
    const named = type.kind === Kind.NON_NULL_TYPE ? type.type : type;
    return named.kind === Kind.NAMED_TYPE && named.name.value === "Upload" ? [variable.name.value] : [];
  });
}
