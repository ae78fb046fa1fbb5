import { createRoot } from "react-dom/client";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "graphiql/graphiql.css";
import "./playground.css";
import { loadConfig } from "./api.ts";
import { takeArrival } from "./arrival.ts";
import { setUpMonaco } from "./monaco.ts";
import { Playground } from "./playground.tsx";
import { openSession } from "./session.ts";

setUpMonaco();

const bar = document.querySelector<HTMLElement>("#bar");
const workbench = document.querySelector<HTMLElement>("#workbench");
if (!bar || !workbench) throw new Error("index.html lacks #bar or #workbench");

const arrival = takeArrival();

try {
  const session = await openSession(await loadConfig(), arrival);
  document.title = `${session.config.organisation} · API playground`;
  // Another window may have signed in or out meanwhile.
  window.addEventListener("focus", () => void session.refresh());
  createRoot(workbench).render(<Playground session={session} bar={bar} />);
} catch (error) {
  const note = document.createElement("p");
  note.className = "page-note";
  note.textContent = `The playground could not open: ${error instanceof Error ? error.message : "the server gave no answer"}. Reload the page to try again.`;
  workbench.replaceChildren(note);
}
