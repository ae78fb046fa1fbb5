import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { type ParsedMail, simpleParser } from "mailparser";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import type { MailSettings } from "../../src/config.ts";
import { type Certificate, CertificateAuthority } from "./certificates.ts";

/** A mail as it arrived. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
  readonly isEncrypted: boolean;
}

/** What a mail server says: nothing takes the mail, a sentence beginning with its code refuses it. */
export type Reply = string | undefined;

export interface SinkOptions {
  readonly protection?: "tls" | "starttls" | "none";
  /** What it shows instead of one that is good for `localhost`. */
  readonly certificate?: Certificate;
  /** Who may send; everybody if left out. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Further options of smtp-server. */
  readonly server?: SMTPServerOptions;
}

/** A mail server on loopback that keeps what it is given, and refuses, stalls or breaks off as it is told. */
export class SmtpSink {
  readonly mails: ReceivedMail[] = [];
  /** Every sender that was named, whatever became of the mail. */
  readonly senders: string[] = [];
  connections = 0;
  /** What it says to a recipient. */
  onRecipient: (address: string) => Reply | Promise<Reply> = () => undefined;
  /** What it says to a mail that came whole; it keeps the mail if that is nothing. */
  onMail: (mail: ReceivedMail) => Reply | Promise<Reply> = () => undefined;
  /** Whether it breaks off at once when it has taken a mail. */
  breaksOff = false;
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: SMTPServer,
    private readonly directory: string,
    /** How to send there. */
    readonly settings: MailSettings,
  ) {}

  static async start({ protection = "starttls", certificate, login, server: further }: SinkOptions = {}): Promise<SmtpSink> {
    const authority = new CertificateAuthority();
    const directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-smtp-"));
    const caFile = path.join(directory, "ca.pem");
    await writeFile(caFile, authority.cert);
    const box: { sink?: SmtpSink } = {};
    const sink = (): SmtpSink => {
      if (box.sink === undefined) throw new Error("The sink has not started");
      return box.sink;
    };
    const server = new SMTPServer({
      secure: protection === "tls",
      ...(certificate ?? authority.certify("localhost", "127.0.0.1")),
      authOptional: login === undefined,
      disabledCommands: [...(protection === "starttls" ? [] : ["STARTTLS"]), ...(login === undefined ? ["AUTH"] : [])],
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: true,
      onAuth: ({ username, password }, _session, done) =>
        username === login?.user && password === login?.password ? done(null, { user: username }) : done(refusal("535 5.7.8 Authentication failed")),
      onConnect: (_session, done) => {
        sink().connections += 1;
        done();
      },
      onMailFrom: ({ address }, _session, done) => {
        sink().senders.push(address);
        done();
      },
      onRcptTo: ({ address }, _session, done) => {
        void Promise.resolve(sink().onRecipient(address)).then((reply) => done(refusal(reply)));
      },
      onData: (stream, session, done) => {
        void buffer(stream).then(async (raw) => {
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? "" : mailFrom.address;
          const mail = { from, to: rcptTo.map(({ address }) => address), raw, isEncrypted: session.secure };
          const reply = await sink().onMail(mail);
          if (reply === undefined) sink().mails.push(mail);
          done(refusal(reply));
          if (sink().breaksOff) setImmediate(() => sink().drop());
        }, done);
      },
      ...further,
    });
    server.on("error", () => undefined); // Connections break off as they are told to
    server.server.on("connection", (socket: Socket) => {
      sink().#sockets.add(socket);
      socket.on("close", () => sink().#sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server.server, "listening");
    const { port } = server.server.address() as AddressInfo;
    box.sink = new SmtpSink(server, directory, {
      smtp: { host: "localhost", port, protection, login: login ?? null },
      caFile,
      from: "no-reply@insurer.example",
      bounceDomain: null,
      dkim: null,
    });
    return box.sink;
  }

  /** The settings of a process that sends there. */
  get environment(): Record<string, string> {
    const { smtp, caFile } = this.settings;
    return { SMTP_URL: `smtp://localhost:${smtp?.port ?? 0}`, SMTP_CA: caFile ?? "", MAIL_FROM: this.settings.from };
  }

  /** What arrived, taken apart. */
  async parsed(): Promise<ParsedMail[]> {
    return Promise.all(this.mails.map(({ raw }) => simpleParser(raw)));
  }

  /** Breaks off every connection. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => this.server.close(resolve));
    await rm(this.directory, { recursive: true, force: true });
  }
}

function refusal(reply: Reply): Error | null {
  if (reply === undefined) return null;
  return Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });
}
