import { createTransport, type SendMailOptions } from "nodemailer";
import { isIP } from "node:net";
import { SECOND } from "../clock.ts";
import type { MailSettings } from "../config.ts";
import type { SmtpServer } from "../setting-values.ts";
import type { MailFiles } from "./mail-files.ts";

/** Connections of one process to the mail server. */
export const MOST_CONNECTIONS = 4;

const CONNECT_MS = 10 * SECOND;
const SILENCE_MS = 30 * SECOND;
const CLOSE_MS = SECOND;

/** Takes mails one by one, several at once. */
export interface MailTransport {
  /** Returns once the mail is somebody else's to deliver. What it throws has the form of a `SendingFault`. */
  send(mail: SendMailOptions, signal: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * The only way out: pooled connections to the mail server of the settings. Nothing is said before TLS 1.2 or newer is up and the
 * server's certificate is good for its name; only on this machine may a server be spoken to in the clear.
 */
export function openSmtp({ host, port, protection, login }: SmtpServer, { dkim }: MailSettings, { ca, dkimKey }: MailFiles): MailTransport {
  const transport = createTransport(
    {
      pool: true,
      host,
      port,
      secure: protection === "tls",
      requireTLS: protection === "starttls",
      ignoreTLS: protection === "none",
      ...(isIP(host) ? {} : { servername: host }),
      tls: { minVersion: "TLSv1.2", rejectUnauthorized: true, ...(ca === null ? {} : { ca }) },
      ...(login === null ? {} : { auth: { user: login.user, pass: login.password }, forceAuth: true }),
      maxConnections: MOST_CONNECTIONS,
      // Only a mail of which not a byte was sent goes to another connection; all else is for our own queue to try again
      maxRequeues: 1,
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      dnsTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      socketCloseTimeout: CLOSE_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(dkim === null || dkimKey === null ? {} : { dkim: { domainName: dkim.domain, keySelector: dkim.selector, privateKey: dkimKey } }),
    },
    { xMailer: false },
  );
  transport.on("error", () => undefined); // Each mail is told of its own
  return {
    async send(mail, signal) {
      await transport.sendMail({ ...mail, signal });
    },
    close: () => transport.close({ force: true }),
  };
}

/** A mail as it would go over the wire, for whoever keeps it instead of sending it. */
export async function writeOut(mail: SendMailOptions): Promise<Buffer> {
  const transport = createTransport(
    { streamTransport: true, buffer: true, newline: "windows", disableFileAccess: true, disableUrlAccess: true },
    { xMailer: false },
  );
  const { message } = await transport.sendMail(mail);
  if (!Buffer.isBuffer(message)) throw new Error("A mail was not written out whole");
  return message;
}
