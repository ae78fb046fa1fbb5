import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { fill, story, type Example, type Facts } from "./examples.ts";
import { newKey } from "./key.ts";
import type { Session } from "./session.ts";

/** What we wrote into an example's tab: as long as it stands there untouched, we may write again. */
interface Filling {
  readonly example: Example;
  key: string;
  text: string;
}

/**
 * Keeps the variables of example tabs ready to run: whenever the facts change (another account, a message sent) the tab in sight is filled
 * again unless one typed in it, and an idempotency key of ours that was used is replaced. Clears all answers when another account signs in.
 * Returns what opens an example in a tab.
 */
export function useExampleTabs(session: Session): (example: Example) => void {
  const { account, facts } = useSyncExternalStore(session.subscribe, session.get);
  const { tabs, activeTabIndex, queryEditor, variableEditor, responseEditor } = useGraphiQL((state) => ({
    tabs: state.tabs,
    activeTabIndex: state.activeTabIndex,
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    responseEditor: state.responseEditor,
  }));
  const actions = useGraphiQLActions();
  const [opening, setOpening] = useState<Example | null>(null);
  const fillings = useRef(new Map<string, Filling>());
  const shownTo = useRef(account?.id);
  const tabId = tabs[activeTabIndex]?.id;

  useEffect(() => {
    if (!variableEditor) return;
    tabs.slice(0, story.length).forEach(({ id, variables }, index) => {
      const example = story[index];
      if (example) fillings.current.set(id, { example, key: newKey(), text: variables ?? "" });
    });
    // Signing in is the story's first tab, but whoever comes here is signed in already.
    if (session.get().account) actions.changeTab(1);
  }, [variableEditor]);

  useEffect(() => {
    if (!responseEditor || shownTo.current === account?.id) return;
    shownTo.current = account?.id;
    // What one account was shown is not for the next. `moveTab` needs the active tab to stay the same object.
    actions.moveTab(tabs.map((tab, index) => (index === activeTabIndex ? tab : { ...tab, response: null })));
    if (session.get().lookedUpFor === "page") responseEditor.setValue("");
  }, [session, account, tabs, activeTabIndex, responseEditor, actions]);

  useEffect(() => {
    const filling = tabId === undefined ? undefined : fillings.current.get(tabId);
    if (!filling || !variableEditor) return;
    const text = variableEditor.getValue();
    const oldKey = filling.key;
    if (session.keyWasUsed(oldKey)) filling.key = newKey();
    const untouched = text === filling.text;
    const next = untouched ? fillWithKey(filling, facts) : text.replaceAll(oldKey, filling.key);
    if (untouched) filling.text = next;
    if (text !== next) variableEditor.setValue(next);
  }, [session, facts, tabId, variableEditor]);

  useEffect(() => {
    if (!opening || !queryEditor || tabId === undefined || fillings.current.has(tabId)) return;
    const filling = { example: opening, key: newKey(), text: "" };
    filling.text = fillWithKey(filling, session.get().facts);
    fillings.current.set(tabId, filling);
    queryEditor.setValue(opening.query);
    variableEditor?.setValue(filling.text);
    queryEditor.focus();
    setOpening(null);
  }, [opening, session, tabId, queryEditor, variableEditor]);

  return (example) => {
    const at = tabs.findIndex(({ id }) => fillings.current.get(id)?.example === example);
    if (at >= 0) return actions.changeTab(at);
    actions.addTab();
    setOpening(example);
  };
}

function fillWithKey({ example, key }: Filling, facts: Facts): string {
  return fill(example, { ...facts, idempotencyKey: key });
}
