import { useGraphiQL } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore, type JSX } from "react";
import { createPortal } from "react-dom";
import { Bar } from "./bar.tsx";
import { examples, fill, story } from "./examples.ts";
import { createFetcher } from "./fetcher.ts";
import { memoryStorage } from "./memory-storage.ts";
import { editorTheme } from "./monaco.ts";
import type { Session } from "./session.ts";
import { useEditorOptions } from "./use-editor-options.ts";
import { useExampleTabs } from "./use-example-tabs.ts";

/** The whole page: GraphiQL, and above it, in the element `bar`, our own bar. */
export function Playground({ session, bar }: { session: Session; bar: HTMLElement }): JSX.Element {
  const { account } = useSyncExternalStore(session.subscribe, session.get);
  const [fetcher] = useState(() => createFetcher(session));
  const storage = useMemo(memoryStorage, []);
  const [tabs] = useState(() => story.map((example) => ({ query: example.query, variables: fill(example, session.get().facts) })));
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      plugins={noPlugins}
      editorTheme={editorTheme}
      defaultTabs={tabs}
      initialVariables={tabs[0]?.variables}
      defaultEditorToolsVisibility="variables"
      showPersistHeadersSettings={false}
      // null asks for no introspection: the server may refuse it to those who are not signed in.
      schema={account || session.config.demo ? undefined : null}
      schemaDescription
      customScalarSchemas={scalars}
    >
      <GraphiQL.Logo>{null}</GraphiQL.Logo>
      <BarOverTabs session={session} bar={bar} />
    </GraphiQL>
  );
}

/** What the variables' editor accepts for a file: it is chosen when the operation runs. */
const scalars = { Upload: { type: "null" } } as const;

/** No history: it would keep what was typed. */
const noPlugins: never[] = [];

/** The bar, with what it needs of GraphiQL; it must stand inside GraphiQL to have it. */
function BarOverTabs({ session, bar }: { session: Session; bar: HTMLElement }): JSX.Element {
  useEditorOptions();
  const openExample = useExampleTabs(session);
  const isReady = useGraphiQL(({ queryEditor, variableEditor }) => Boolean(queryEditor && variableEditor));
  const arrived = useRef(false);
  useEffect(() => {
    const example = examples.find(({ name }) => name === session.arrivedAt);
    if (!isReady || arrived.current || !example) return;
    arrived.current = true;
    openExample(example);
  }, [isReady, openExample, session]);
  return createPortal(<Bar session={session} openExample={openExample} />, bar);
}
