import EditorWorker from "monaco-editor/esm/vs/editor/editor.worker.js?worker";
import JsonWorker from "monaco-editor/esm/vs/language/json/json.worker.js?worker";
import { editor } from "monaco-graphql/esm/monaco-editor.js";
import GraphQLWorker from "monaco-graphql/esm/graphql.worker.js?worker";

/** Names of our editor themes, for GraphiQL's `editorTheme`. */
export const editorTheme = { light: "secure-mailbox-light", dark: "secure-mailbox-dark" };

/** Gives Monaco its workers, bundled and from our own origin, and our colours. Call it before the first editor opens. */
export function setUpMonaco(): void {
  window.MonacoEnvironment = {
    getWorker(_id: string, label: string): Worker {
      if (label === "json") return new JsonWorker();
      if (label === "graphql") return new GraphQLWorker();
      return new EditorWorker();
    },
  };
  editor.defineTheme(editorTheme.light, theme("vs", "#ffffff", "#0b5c8a", "#5b4bb3"));
  editor.defineTheme(editorTheme.dark, theme("vs-dark", "#18212b", "#7cc4ef", "#b3a5ff"));
}

function theme(base: "vs" | "vs-dark", surface: string, action: string, argument: string): editor.IStandaloneThemeData {
  return {
    base,
    inherit: true,
    rules: [{ token: "argument.identifier.gql", foreground: argument }],
    colors: {
      "editor.background": "#ffffff00",
      "scrollbar.shadow": "#ffffff00",
      focusBorder: action,
      "textLink.foreground": action,
      "textLink.activeForeground": action,
      "editorLink.activeForeground": action,
      "editorWidget.background": surface,
      "editorHoverWidget.background": surface,
      "editorSuggestWidget.background": surface,
      "editorSuggestWidget.selectedBackground": `${action}26`,
      "editorSuggestWidget.selectedForeground": base === "vs" ? "#16202c" : "#edf1f5",
      "editorSuggestWidget.highlightForeground": action,
      "editorSuggestWidget.focusHighlightForeground": action,
      "list.hoverBackground": `${action}1a`,
      "list.highlightForeground": action,
      "list.focusHighlightForeground": action,
      "quickInput.background": surface,
      "menu.background": surface,
      "menu.selectionBackground": `${action}26`,
      "menu.selectionForeground": base === "vs" ? "#16202c" : "#edf1f5",
    },
  };
}
