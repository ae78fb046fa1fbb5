import { AccountKind } from "../accounts/account.ts";
import { DAY, HOUR } from "../clock.ts";
import { RETENTION_DAYS } from "../limits.ts";
import { Priority } from "../messages/message.ts";

/** The people of the demo. All have the same password. */
export const people = [
  { userId: "member", kind: AccountKind.MEMBER, displayName: "Maria Alvarez", address: "maria.alvarez@mail.example" },
  { userId: "member-two", kind: AccountKind.MEMBER, displayName: "Tom Becker", address: "tom.becker@post.example" },
  { userId: "provider", kind: AccountKind.PROVIDER, displayName: "Dr. Lena Okafor", address: "okafor@riverside-clinic.example" },
  { userId: "broker", kind: AccountKind.BROKER, displayName: "Sam Whitfield", address: "sam@whitfield-brokers.example" },
  { userId: "employer", kind: AccountKind.EMPLOYER, displayName: "Priya Nair", address: "hr@acme-tools.example" },
  { userId: "employee", kind: AccountKind.EMPLOYEE, displayName: "Erin Holt", address: "erin.holt@insurer.example" },
  { userId: "employee-two", kind: AccountKind.EMPLOYEE, displayName: "Daniel Ruiz", address: "daniel.ruiz@insurer.example" },
  { userId: "administrator", kind: AccountKind.ADMINISTRATOR, displayName: "Alex Kim", address: "alex.kim@insurer.example" },
] as const;

export type UserId = (typeof people)[number]["userId"];

/** The team mailbox, and who works it. */
export const team = { displayName: "Claims team", address: "claims@insurer.example", members: ["employee", "employee-two"] as const };

/** One message of a story. A reply answers the message before it. */
export interface Scene {
  readonly by: UserId;
  /** Written from the team's mailbox instead of one's own. */
  readonly asTeam?: true;
  /** User IDs, `team`, or addresses of people who have no account yet. Left out on a reply. */
  readonly to?: readonly string[];
  readonly subject?: string;
  readonly text: string;
  readonly priority?: Priority;
  readonly files?: readonly DemoFile[];
  /** How long ago. */
  readonly ago: number;
}

/** A file that comes with a message; a `.pdf` is made a real one. */
export interface DemoFile {
  readonly fileName: string;
  readonly text: string;
}

/** What has been going on: each story is a thread. */
export const stories: readonly (readonly Scene[])[] = [
  [
    {
      by: "employee",
      to: ["member"],
      subject: "Your enrollment for this year",
      text: "Dear Ms. Alvarez,\n\nyour enrollment is complete. This message expires soon: download the confirmation if you want to keep it.\n\nErin Holt\nMember Services",
      files: [{ fileName: "enrollment-confirmation.pdf", text: "Enrollment confirmation\nMember: Maria Alvarez" }],
      ago: RETENTION_DAYS * DAY - 18 * HOUR,
    },
  ],
  [
    {
      by: "member",
      to: ["team"],
      subject: "Question about claim 1182",
      text: "Hello,\n\nI received a bill for the visit on May 4 although my deductible is met. Can you look into it? The bill is attached.\n\nThank you, Maria Alvarez",
      files: [{ fileName: "bill-may-4.pdf", text: "Riverside Clinic\nVisit of May 4\nAmount due: 182.40" }],
      ago: 6 * DAY,
    },
    {
      by: "employee-two",
      asTeam: true,
      text: "Dear Ms. Alvarez,\n\nthank you for the bill. We have asked the clinic for the corrected claim and will write again within five business days.\n\nDaniel Ruiz\nClaims team",
      ago: 5 * DAY,
    },
    {
      by: "member",
      text: "That is good to hear. Do I have to pay in the meantime?",
      ago: 5 * DAY - 3 * HOUR,
    },
    {
      by: "employee",
      asTeam: true,
      priority: Priority.HIGH,
      text: "No, please do not pay. The clinic has put the bill on hold until the claim is corrected.\n\nErin Holt\nClaims team",
      ago: 4 * DAY,
    },
  ],
  [
    {
      by: "employee",
      to: ["member"],
      subject: "Your appeal decision",
      priority: Priority.HIGH,
      text: "Dear Ms. Alvarez,\n\nwe have decided on your appeal. The decision and what you can do next are in the attached letter. You may reply to this message or forward it to any of our employees.\n\nErin Holt\nMember Services",
      files: [
        { fileName: "decision.pdf", text: "Decision on your appeal\nThe appeal is granted in full." },
        { fileName: "next-steps.txt", text: "1. Nothing to do for you.\n2. We pay the clinic directly.\n3. You get a statement within 30 days.\n" },
      ],
      ago: 2 * HOUR,
    },
  ],
  [
    {
      by: "provider",
      to: ["team"],
      subject: "Prior authorization, patient 20417",
      priority: Priority.URGENT,
      text: "Please find the request for prior authorization attached. The procedure is planned for next Tuesday.\n\nDr. Lena Okafor\nRiverside Clinic",
      files: [{ fileName: "prior-authorization.pdf", text: "Request for prior authorization\nPatient 20417" }],
      ago: DAY + 4 * HOUR,
    },
  ],
  [
    {
      by: "broker",
      to: ["employee-two"],
      subject: "Renewal figures for Acme Tools",
      text: "Hi Daniel,\n\ncould you send me the renewal figures for Acme Tools before Friday?\n\nSam",
      ago: 9 * DAY,
    },
    {
      by: "employee-two",
      text: "Hi Sam,\n\nhere they are. The second sheet has the comparison with last year.\n\nDaniel",
      files: [{ fileName: "acme-renewal.csv", text: "plan,last year,this year\nBronze,312.10,318.55\nSilver,401.75,410.20\n" }],
      ago: 8 * DAY,
    },
  ],
  [
    {
      by: "employer",
      to: ["employee"],
      subject: "Three new colleagues from next month",
      text: "Hello Erin,\n\nthree people join us on the first of next month. Their forms are attached.\n\nPriya Nair\nAcme Tools",
      files: [{ fileName: "new-colleagues.csv", text: "name,start\nJ. Doe,first of next month\nR. Roe,first of next month\nM. Moe,first of next month\n" }],
      ago: 12 * DAY,
    },
  ],
  [
    {
      by: "employee",
      to: ["member-two"],
      subject: "Welcome to the secure mailbox",
      text: "Dear Mr. Becker,\n\nfrom now on you find confidential messages from us here. Each is kept for 180 days.\n\nErin Holt",
      ago: 30 * DAY,
    },
  ],
  [
    {
      by: "employee-two",
      to: ["jo.lind@mail.example"],
      subject: "Your new card",
      text: "Dear Ms. Lind,\n\nyour new card is on its way.\n\nDaniel Ruiz",
      ago: 20 * HOUR,
    },
  ],
];

/** What somebody has begun to write. */
export const drafts: readonly { by: UserId; to: string; subject: string; text: string }[] = [
  { by: "member", to: team.address, subject: "My new address", text: "Hello,\n\nfrom the first of next month I live at" },
  { by: "employee", to: "okafor@riverside-clinic.example", subject: "Prior authorization, patient 20417", text: "Dear Dr. Okafor,\n\nwe have looked at" },
];
