import { useGraphiQL } from "@graphiql/react";
import { useEffect } from "react";

/** Gives GraphiQL's four editors our font, a smaller size and wrapped lines; it offers no option for these. */
export function useEditorOptions(): void {
  const editors = useGraphiQL(({ queryEditor, variableEditor, headerEditor, responseEditor }) => ({
    queryEditor,
    variableEditor,
    headerEditor,
    responseEditor,
  }));
  useEffect(() => {
    const fontFamily = getComputedStyle(document.documentElement).getPropertyValue("--mono");
    for (const editor of Object.values(editors)) {
      editor?.updateOptions({ fontFamily, fontSize: 14, wordWrap: "on", wrappingIndent: "indent" });
    }
  }, [editors]);
}
