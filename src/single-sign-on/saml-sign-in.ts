import { randomBytes } from "node:crypto";
import { isNativeError } from "node:util/types";
import { AbstractStrategy, type CacheProvider, type PassportSamlConfig, type Profile, SAML, type VerifyWithoutRequest } from "@node-saml/passport-saml";
import { countAttempts } from "../accounts/throttle.ts";
import type { SamlSettings } from "../config.ts";
import type { Ctx } from "../context.ts";
import { ProblemCode, Refusal, refuse } from "../problem.ts";
import { enter } from "./enter.ts";
import { type Departure, publicUrlOf } from "./oidc-sign-in.ts";
import { runStrategy } from "./run-strategy.ts";
import { attributeOf, childrenOf, readPosted, textOf } from "./saml-message.ts";
import { SAML_ACS, samlConfigOf } from "./saml-provider.ts";
import { answerRequest, keepRequest, takeAnswer, waitingRequest } from "./sign-in-request.ts";
import { type Claims, ownPath } from "./single-sign-on-policy.ts";

const BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/** What waits for the provider's answer. `instant` is when it was asked, for node-saml. */
interface Request {
  readonly instant: string;
  readonly returnTo: string;
}

/** The provider's answer, verified, until the browser that began fetches it. */
interface Answer extends Vouched {
  readonly returnTo: string;
}

interface Vouched {
  readonly requestId: string;
  readonly claims: Claims;
  readonly nameIdFormat: string | null;
  readonly sessionIndex: string | null;
}

/** Sends somebody to the SAML identity provider. `returnTo` is where they go afterwards: a path of ours. */
export async function startSamlSignIn(ctx: Ctx, settings: SamlSettings, returnTo: unknown): Promise<Departure> {
  await countAttempts(ctx, { rule: "single-sign-on/source", key: ctx.source });
  const requestId = `_${randomBytes(20).toString("hex")}`;
  let instant = "";
  const saved: CacheProvider = {
    saveAsync: async (_id, value) => {
      instant = value;
      return null;
    },
    getAsync: async () => null,
    removeAsync: async () => null,
  };
  const config = { ...(await samlConfigOf(ctx.config, settings, saved)), generateUniqueId: () => requestId };
  const outcome = await runStrategy(new SamlStrategy(config, nobodyYet), { query: {}, body: {} });
  if (outcome === null || !("redirectTo" in outcome)) throw new Error("The sign-in did not begin");
  const request: Request = { instant, returnTo: ownPath(returnTo, publicUrlOf(ctx.config)) };
  return { redirectTo: outcome.redirectTo, cookie: await keepRequest(ctx, request, requestId) };
}

/**
 * Takes the provider's answer, posted by whatever browser: the assertion must be signed, for us, in time, and the answer to
 * a request of ours that has had none. Returns the ticket with which the browser that began ends the sign-in. Refuses with
 * INVALID_INPUT what does not hold.
 */
export async function takeSamlResponse(ctx: Ctx, settings: SamlSettings, form: URLSearchParams): Promise<string> {
  await countAttempts(ctx, { rule: "single-sign-on/source", key: ctx.source });
  const [encoded, ...others] = form.getAll("SAMLResponse");
  if (encoded === undefined || others.length > 0) return wrong();
  const xml = readPosted(encoded);
  const waiting: CacheProvider = {
    saveAsync: async () => null,
    getAsync: async (requestId) => (await waitingRequest<Request>(ctx, requestId))?.instant ?? null,
    removeAsync: async () => null, // Taken by `answerRequest`, in one step
  };
  const strategy = new SamlStrategy(await samlConfigOf(ctx.config, settings, waiting), (profile) => vouchedFor(ctx, settings, profile, xml));
  const outcome = await runStrategy<Vouched>(strategy, { query: {}, body: { SAMLResponse: encoded } }).catch((error: unknown) => {
    if (error instanceof Refusal) throw error;
    ctx.log.warn({ requestId: ctx.requestId, err: error }, "a SAML response does not hold");
    return null;
  });
  if (outcome === null || !("user" in outcome)) return wrong();
  const request = await waitingRequest<Request>(ctx, outcome.user.requestId);
  const ticket = request && (await answerRequest<Answer>(ctx, outcome.user.requestId, { ...outcome.user, returnTo: request.returnTo }));
  return ticket ?? wrong();
}

/** Ends what `startSamlSignIn` began, in the same browser, and starts a session. Returns where to go. */
export async function finishSamlSignIn(ctx: Ctx, settings: SamlSettings, ticket: string | undefined, cookie: string | undefined): Promise<string> {
  const answer = await takeAnswer<Answer>(ctx, cookie, ticket);
  if (answer === undefined) refuse(ProblemCode.INVALID_INPUT, "This sign-in has expired, was used before or began in another browser. Start again.");
  const { claims, nameIdFormat, sessionIndex, returnTo } = answer;
  const hint = { protocol: "SAML", nameId: claims.subject, nameIdFormat, sessionIndex } as const;
  await enter(ctx, settings, claims, { name: sessionIndex, hint });
  return returnTo;
}

/**
 * What node-saml leaves to us, all of it read from the signed assertion and not from the answer around it: whose it is, for
 * which address and which request it was made (SAML Profiles 2.0, section 4.1.4.3), and who it is about.
 */
function vouchedFor(ctx: Ctx, settings: SamlSettings, profile: Profile, xml: string): Vouched {
  const callbackUrl = `${publicUrlOf(ctx.config)}${SAML_ACS}`;
  const destination = /^[^<]*(?:<\?[^>]*>)?[^<]*<[^>]*\sDestination\s*=\s*["']([^"']*)["']/.exec(xml)?.[1];
  if (destination !== undefined && destination !== callbackUrl) return wrong();
  const assertion = profile.getAssertion?.().Assertion;
  const [subject, ...subjects] = childrenOf(assertion, "Subject");
  const [nameId, ...nameIds] = childrenOf(subject, "NameID");
  const [confirmation, ...confirmations] = childrenOf(subject, "SubjectConfirmation");
  const [data] = childrenOf(confirmation, "SubjectConfirmationData");
  const requestId = attributeOf(data, "InResponseTo");
  const name = textOf(nameId);
  const nameIdFormat = attributeOf(nameId, "Format");
  const holds =
    subjects.length + nameIds.length + confirmations.length === 0 &&
    textOf(childrenOf(assertion, "Issuer")[0]) === settings.idpIssuer &&
    attributeOf(confirmation, "Method") === BEARER &&
    attributeOf(data, "Recipient") === callbackUrl &&
    attributeOf(data, "NotOnOrAfter") !== null &&
    nameIdFormat !== TRANSIENT; // Another name each time would be another person each time
  if (!holds || requestId === null || name === null) return wrong();
  const attributes = profile.attributes;
  const claims: Claims = {
    protocol: "SAML",
    issuer: settings.idpIssuer,
    subject: name,
    address: valuesOf(attributes, settings.addressAttribute)[0] ?? (name.includes("@") ? name : null),
    isAddressVerified: true, // SAML has no word for it; the organisation's own directory is where addresses come from
    displayName: valuesOf(attributes, settings.nameAttribute)[0] ?? null,
    locale: valuesOf(attributes, "preferredLanguage")[0] ?? null,
    groups: valuesOf(attributes, settings.groupsAttribute),
  };
  return { requestId, claims, nameIdFormat, sessionIndex: attributeOf(childrenOf(assertion, "AuthnStatement")[0], "SessionIndex") };
}

function valuesOf(attributes: unknown, name: string): string[] {
  return childrenOf(attributes, name).filter((value) => typeof value === "string");
}

/** passport-saml's strategy around a SAML of ours; what is decided of a profile, is decided by `verify`. */
class SamlStrategy extends AbstractStrategy {
  static override readonly newSamlProviderOnConstruct = false;

  constructor(config: PassportSamlConfig, verify: (profile: Profile) => Vouched) {
    const decide: VerifyWithoutRequest = (profile, done) => {
      try {
        if (profile === null) done(null);
        else done(null, { ...verify(profile) });
      } catch (error) {
        done(isNativeError(error) ? error : new Error("An assertion does not hold"));
      }
    };
    super(config, decide, decide);
    this._saml = new SAML(config);
  }
}

function nobodyYet(): never {
  return wrong();
}

function wrong(): never {
  return refuse(ProblemCode.INVALID_INPUT, "The answer of your organisation's sign-in does not hold, or was used before. Start again.");
}
