/** How somebody came here: by the link of a mail, or of themselves. */
export interface Arrival {
  /** The example that goes on from there; undefined for whoever came of themselves. */
  readonly example: string | undefined;
  /** What the link carried. */
  readonly noticeToken: string | undefined;
  readonly linkToken: string | undefined;
}

/** The pages that links of mails name, until the web mailbox has them, and the example that each of them opens. */
const exampleOf: Readonly<Record<string, string>> = {
  "/": "RequestValidation",
  "/validate": "ValidateAddressByLink",
  "/reset-password": "ResetPasswordByLink",
  "/confirm-address": "ConfirmAddressChangeByLink",
  "/welcome": "AcceptInvitation",
};

/** Reads what a link carried, and takes it out of the address bar and the history. Nothing is sent before somebody runs the example. */
export function takeArrival(): Arrival {
  const query = new URLSearchParams(location.search);
  const noticeToken = query.get("notice") ?? undefined;
  const linkToken = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  const page = query.get("page");
  if (location.search !== "" || location.hash !== "") history.replaceState(null, "", location.pathname);
  const example = page !== null && (noticeToken !== undefined || linkToken !== undefined) ? exampleOf[page] : undefined;
  return { example, noticeToken, linkToken };
}
