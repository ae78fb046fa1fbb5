/*
 * What mail servers send back to the address `to`, in their own words and forms, about a mail to maria@home.example.
 */

/** The mail that comes back, as its sender knows it. `replyPath` is where it was told to come back to. */
const original = (replyPath: string): string => `Return-Path: <${replyPath}>
From: Example Health <no-reply@insurer.example>
To: maria@home.example
Subject: Your code for secure mail from Example Health
Message-ID: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>
Auto-Submitted: auto-generated
`;

export const postfix = (to: string, replyPath = to): string => `Return-Path: <>
Received: by relay.insurer.example (Postfix)
	id 4RnX7k1Lz5z9; Mon,  2 Mar 2026 09:00:02 +0000 (UTC)
Date: Mon,  2 Mar 2026 09:00:02 +0000 (UTC)
From: MAILER-DAEMON@relay.insurer.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: ${to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="4RnX7j6Pz5z8.1772442002/relay.insurer.example"
Content-Transfer-Encoding: 8bit
Message-Id: <4RnX7k1Lz5z9@relay.insurer.example>

This is a MIME-encapsulated message.

--4RnX7j6Pz5z8.1772442002/relay.insurer.example
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host relay.insurer.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<maria@home.example>: host mx.home.example[192.0.2.25] said: 550 5.1.1
    <maria@home.example>: Recipient address rejected: User unknown in virtual
    mailbox table (in reply to RCPT TO command)

--4RnX7j6Pz5z8.1772442002/relay.insurer.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.insurer.example
X-Postfix-Queue-ID: 4RnX7j6Pz5z8
X-Postfix-Sender: rfc822; ${replyPath}
Arrival-Date: Mon,  2 Mar 2026 09:00:01 +0000 (UTC)

Final-Recipient: rfc822; maria@home.example
Original-Recipient: rfc822;maria@home.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.home.example
Diagnostic-Code: smtp; 550 5.1.1 <maria@home.example>: Recipient address
    rejected: User unknown in virtual mailbox table

--4RnX7j6Pz5z8.1772442002/relay.insurer.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

${original(replyPath)}
--4RnX7j6Pz5z8.1772442002/relay.insurer.example--
`;

/** A report of Postfix's form with another group about the recipient. */
const report = (to: string, recipient: string): string =>
  postfix(to).replace(/^Action: failed\nStatus: 5\.1\.1\nRemote-MTA: .*\nDiagnostic-Code: .*\n.*\n/m, recipient);

export const noSuchDomain = (to: string): string =>
  report(
    to,
    `Action: failed
Status: 5.4.4
Diagnostic-Code: X-Postfix; Host or domain name not found. Name service error
    for name=home.example type=AAAA: Host not found
`,
  );

export const fullMailbox = (to: string): string =>
  report(
    to,
    `Action: failed
Status: 5.2.2
Remote-MTA: dns; mx.home.example
Diagnostic-Code: smtp; 552 5.2.2 <maria@home.example>: Over quota
`,
  );

export const expired = (to: string): string =>
  report(
    to,
    `Action: failed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.home.example[192.0.2.25]:25: Connection
    timed out
`,
  );

export const policy = (to: string): string =>
  report(
    to,
    `Action: failed
Status: 5.7.1
Remote-MTA: dns; mx.home.example
Diagnostic-Code: smtp; 550 5.7.1 Message rejected due to content restrictions
`,
  );

export const delayed = (to: string): string =>
  report(
    to,
    `Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.home.example[192.0.2.25]:25: Connection
    timed out
Will-Retry-Until: Sat,  7 Mar 2026 09:00:01 +0000 (UTC)
`,
  ).replace("Undelivered Mail Returned to Sender", "Delayed Mail (still being retried)");

export const relayed = (to: string): string =>
  report(
    to,
    `Action: relayed
Status: 2.0.0
Diagnostic-Code: smtp; 250 2.0.0 Ok: queued as 4RnX7j6Pz5z8
`,
  ).replace("Undelivered Mail Returned to Sender", "Successful Mail Delivery Report");

export const exchange = (to: string): string => `From: <postmaster@home.example>
To: <${to}>
Date: Mon, 2 Mar 2026 09:00:05 +0000
Content-Type: multipart/report; report-type=delivery-status;
	boundary="3f8bd2c5-0f0f-4b0b-9f63-2f4f2a1d51a1"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: en-US
Message-ID: <b9fd6ffe-95a6-4ae9-a6c5-8a3cbb5e9f7e@AM0PR04MB0001.eurprd04.prod.outlook.com>
In-Reply-To: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>
Subject: Undeliverable: Your code for secure mail from Example Health
Auto-Submitted: auto-replied
MIME-Version: 1.0

--3f8bd2c5-0f0f-4b0b-9f63-2f4f2a1d51a1
Content-Type: multipart/alternative; differences=Content-Type;
	boundary="5a1c0c9a-7e34-4a53-8a26-d8d2a2a7c1b2"

--5a1c0c9a-7e34-4a53-8a26-d8d2a2a7c1b2
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Delivery has failed to these recipients or groups:

maria@home.example
The email address you entered couldn't be found.

--5a1c0c9a-7e34-4a53-8a26-d8d2a2a7c1b2
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html><body><p>Delivery has failed to these recipients or groups: maria@hom=
e.example</p></body></html>

--5a1c0c9a-7e34-4a53-8a26-d8d2a2a7c1b2--

--3f8bd2c5-0f0f-4b0b-9f63-2f4f2a1d51a1
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR04MB0001.eurprd04.prod.outlook.com
Received-From-MTA: dns;relay.insurer.example
Arrival-Date: Mon, 2 Mar 2026 09:00:04 +0000

Final-Recipient: rfc822;maria@home.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient maria@home.example not found by SMTP address lookup

--3f8bd2c5-0f0f-4b0b-9f63-2f4f2a1d51a1
Content-Type: message/rfc822

${original(to)}
Your code: 483920

--3f8bd2c5-0f0f-4b0b-9f63-2f4f2a1d51a1--
`;

export const gmail = (to: string): string => `Return-Path: <>
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: ${to}
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)
References: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>
In-Reply-To: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>
X-Failed-Recipients: maria@home.example
Message-ID: <65e2f0a1.170a0220.1f2b3.9c1d.GMR@mx.google.com>
Date: Mon, 02 Mar 2026 01:00:06 -0800 (PST)
MIME-Version: 1.0
Content-Type: multipart/report; boundary="00000000000071f6b30612a4c0de"; report-type=delivery-status

--00000000000071f6b30612a4c0de
Content-Type: multipart/related; boundary="00000000000071f93d0612a4c0e2"

--00000000000071f93d0612a4c0e2
Content-Type: multipart/alternative; boundary="00000000000071f9490612a4c0e3"

--00000000000071f9490612a4c0e3
Content-Type: text/plain; charset="UTF-8"

** Address not found **

Your message wasn't delivered to maria@home.example because the address couldn't be found, or is unable to receive mail.

--00000000000071f9490612a4c0e3
Content-Type: text/html; charset="UTF-8"

<html><body><h2>Address not found</h2><img src="cid:icon.png"></body></html>

--00000000000071f9490612a4c0e3--
--00000000000071f93d0612a4c0e2
Content-Type: image/png; name="icon.png"
Content-Disposition: attachment; filename="icon.png"
Content-Transfer-Encoding: base64
Content-ID: <icon.png>

iVBORw0KGgo=
--00000000000071f93d0612a4c0e2--
--00000000000071f6b30612a4c0de
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com
Arrival-Date: Mon, 02 Mar 2026 01:00:05 -0800 (PST)
X-Original-Message-ID: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>

Final-Recipient: rfc822; maria@home.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; gmail-smtp-in.l.google.com. (192.0.2.26, the server for the domain home.example.)
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
 550-5.1.1 double-checking the recipient's email address for typos or
 550 5.1.1 unnecessary spaces.
Last-Attempt-Date: Mon, 02 Mar 2026 01:00:06 -0800 (PST)

--00000000000071f6b30612a4c0de
Content-Type: message/rfc822

${original(to)}
Your code: 483920

--00000000000071f6b30612a4c0de--
`;

export const exim = (to: string): string => `Return-path: <>
From: Mail Delivery System <Mailer-Daemon@mx.home.example>
To: ${to}
Auto-Submitted: auto-replied
X-Failed-Recipients: maria@home.example
Content-Type: multipart/report; report-type=delivery-status; boundary=1772442002-eximdsn-1804289383
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1wQZx0-0001aB-2C@mx.home.example>
Date: Mon, 02 Mar 2026 09:00:02 +0000

--1772442002-eximdsn-1804289383
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

--1772442002-eximdsn-1804289383
Content-type: message/delivery-status

Reporting-MTA: dns; mx.home.example

Action: failed
Final-Recipient: rfc822;maria@home.example
Status: 5.0.0
Remote-MTA: dns; store.home.example
Diagnostic-Code: smtp; 550 No such user here

--1772442002-eximdsn-1804289383
Content-type: text/rfc822-headers

${original(to)}
--1772442002-eximdsn-1804289383--
`;

export const outOfOffice = (to: string): string => `From: Maria Example <maria@home.example>
To: ${to}
Subject: Automatic reply: Your code for secure mail from Example Health
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

I am away until Monday. Action: failed. Status: 5.1.1
`;

export const readReceipt = (to: string): string => `From: Maria Example <maria@home.example>
To: ${to}
Subject: Read: Your code for secure mail from Example Health
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="mdn"

--mdn
Content-Type: text/plain

Your message was read.

--mdn
Content-Type: message/disposition-notification

Final-Recipient: rfc822;maria@home.example
Original-Message-ID: <019cadc6-9a80-73dc-aad0-fe18c0e4c71e@mail.insurer.example>
Disposition: manual-action/MDN-sent-manually; displayed

--mdn--
`;

export const lookalike = (to: string): string => `From: MAILER-DAEMON@home.example
To: ${to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="mixed"

--mixed
Content-Type: text/plain

Final-Recipient: rfc822; maria@home.example
Action: failed
Status: 5.1.1

--mixed
Content-Type: message/delivery-status

Reporting-MTA: dns; home.example

Final-Recipient: rfc822; maria@home.example
Action: failed
Status: 5.1.1

--mixed--
`;
