import { ChevronDownIcon, DropdownMenu } from "@graphiql/react";
import { useState, useSyncExternalStore, type FormEvent, type JSX } from "react";
import { examples, type Example } from "./examples.ts";
import icon from "./icon.svg";
import type { Session } from "./session.ts";

/** The bar above GraphiQL: whose product this is, the examples, and who is signed in. */
export function Bar({ session, openExample }: { session: Session; openExample: (example: Example) => void }): JSX.Element {
  const { account, notice } = useSyncExternalStore(session.subscribe, session.get);
  const [busy, setBusy] = useState(false);
  const { config } = session;
  const during = (work: Promise<void>): void => {
    setBusy(true);
    void work.finally(() => setBusy(false));
  };
  return (
    <div className="bar" aria-busy={busy}>
      <div className="bar-brand">
        <img src={icon} alt="" width="32" height="32" />
        <div>
          <strong>{config.organisation}</strong>
          <h1>Secure mailbox · API playground</h1>
        </div>
      </div>
      <ExamplesMenu openExample={openExample} />
      {config.demo && account && (
        <button
          type="button"
          className="bar-button"
          disabled={busy}
          onClick={() => during(session.receiveMessage())}
          title="Another demo account writes to you, so that a subscription has something to show"
        >
          Send me a message
        </button>
      )}
      <p className="bar-notice" role="status" data-kind={notice?.kind}>
        {notice?.text}
      </p>
      <div className="bar-account">
        {config.demo ? (
          <AccountMenu session={session} busy={busy} signIn={(userId) => during(session.signIn(userId, config.demo ? config.password : ""))} />
        ) : account ? (
          <span className="bar-name">
            Signed in as <strong>{account.displayName}</strong>
          </span>
        ) : (
          <SignInForm busy={busy} signIn={(userId, password) => during(session.signIn(userId, password))} />
        )}
        {account && (
          <button type="button" className="bar-button" disabled={busy} onClick={() => during(session.signOut())}>
            Sign out
          </button>
        )}
      </div>
    </div>
  );
}

function ExamplesMenu({ openExample }: { openExample: (example: Example) => void }): JSX.Element {
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="bar-button">
        Examples <ChevronDownIcon aria-hidden="true" />
      </DropdownMenu.Button>
      <DropdownMenu.Content className="menu menu-examples">
        {Object.entries(Object.groupBy(examples, ({ group }) => group)).map(([group, members]) => (
          <div key={group} role="group" aria-label={group}>
            <div className="menu-heading" aria-hidden="true">
              {group}
            </div>
            {members?.map((example) => (
              <DropdownMenu.Item key={example.name} className="menu-item" textValue={example.title} onSelect={() => openExample(example)}>
                <span>{example.title}</span> <code>{example.name}</code>
              </DropdownMenu.Item>
            ))}
          </div>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

function AccountMenu({ session, busy, signIn }: { session: Session; busy: boolean; signIn: (userId: string) => void }): JSX.Element {
  const { account } = useSyncExternalStore(session.subscribe, session.get);
  const accounts = session.config.demo ? session.config.accounts : [];
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="bar-button bar-who" disabled={busy}>
        {account ? (
          <span>
            Signed in as <strong>{account.displayName}</strong> <code>{account.userId}</code>
          </span>
        ) : (
          <span>Sign in as …</span>
        )}
        <ChevronDownIcon aria-hidden="true" />
      </DropdownMenu.Button>
      <DropdownMenu.Content className="menu" align="end">
        {accounts.map(({ userId, displayName, kind }) => (
          <DropdownMenu.Item
            key={userId}
            className="menu-item"
            aria-current={userId === account?.userId || undefined}
            textValue={displayName}
            onSelect={() => signIn(userId)}
          >
            <span>
              {displayName} <small>{kind.toLowerCase()}</small>
            </span>
            <code>{userId}</code>
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

function SignInForm({ busy, signIn }: { busy: boolean; signIn: (userId: string, password: string) => void }): JSX.Element {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [userId, password] = [form.get("userId"), form.get("password")];
    if (typeof userId === "string" && typeof password === "string") signIn(userId, password);
  };
  return (
    <form className="bar-form" onSubmit={submit}>
      <label>
        User ID <input name="userId" autoComplete="username" autoCapitalize="none" spellCheck={false} required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit" className="bar-button bar-main" disabled={busy}>
        Sign in
      </button>
    </form>
  );
}
