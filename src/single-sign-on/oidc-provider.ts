import { readFile } from "node:fs/promises";
import { isNativeError } from "node:util/types";
import { createRemoteJWKSet, type JWTVerifyGetKey } from "jose";
import * as oidc from "openid-client";
import type { Config, OidcSettings } from "../config.ts";
import type { Ctx } from "../context.ts";
import { ProblemCode, Refusal, refuse } from "../problem.ts";

const TIMEOUT_SECONDS = 5;

/** What the provider says of itself, and the keys with which it signs. */
export interface Discovered {
  readonly metadata: oidc.ServerMetadata;
  readonly keys: JWTVerifyGetKey;
}

/** One discovery for all of a process, until something fails. */
const discovered = new WeakMap<Config, Promise<Discovered>>();

/** What the provider says of itself, asked for when it is first needed and again after any failure. Refuses with UNAVAILABLE. */
export async function discover(ctx: Ctx, settings: OidcSettings): Promise<Discovered> {
  const known = discovered.get(ctx.config) ?? ask(settings);
  discovered.set(ctx.config, known);
  try {
    return await known;
  } catch (error) {
    return providerFailed(ctx, error);
  }
}

/** The client for one sign-in: with keys of its own, so that those a provider has changed since are not taken for wrong. */
export async function clientOf(ctx: Ctx, settings: OidcSettings): Promise<oidc.Configuration> {
  const { metadata } = await discover(ctx, settings);
  const client = new oidc.Configuration(metadata, settings.clientId, {}, await authenticationOf(settings, metadata));
  client.timeout = TIMEOUT_SECONDS;
  if (isPlain(settings)) oidc.allowInsecureRequests(client);
  oidc.enableNonRepudiationChecks(client); // TLS would vouch for the ID token; its signature does so, too
  return client;
}

/** Says what went wrong with the provider: UNAVAILABLE where it cannot be reached, INVALID_INPUT where it, or somebody in its name, answered what does not hold. */
export function providerFailed(ctx: Ctx, error: unknown): never {
  if (error instanceof Refusal) throw error;
  discovered.delete(ctx.config);
  ctx.log.warn({ requestId: ctx.requestId, err: error }, "single sign-on failed");
  if (isAway(error)) refuse(ProblemCode.UNAVAILABLE, "Your organisation's sign-in cannot be reached for now. Try again shortly.", { retryAfter: 5 });
  refuse(ProblemCode.INVALID_INPUT, "Your organisation's sign-in could not be confirmed. Start again.");
}

/** Only on this machine, as the configuration sees to. */
function isPlain({ issuer }: OidcSettings): boolean {
  return issuer.startsWith("http:");
}

async function ask(settings: OidcSettings): Promise<Discovered> {
  const options = { timeout: TIMEOUT_SECONDS, ...(isPlain(settings) ? { execute: [oidc.allowInsecureRequests] } : {}) };
  let metadata: oidc.ServerMetadata;
  try {
    metadata = (await oidc.discovery(new URL(settings.issuer), settings.clientId, {}, oidc.None(), options)).serverMetadata();
  } catch (error) {
    throw new ProviderAway({ cause: error });
  }
  if (metadata.jwks_uri === undefined) throw new ProviderAway();
  return { metadata, keys: createRemoteJWKSet(new URL(metadata.jwks_uri), { timeoutDuration: TIMEOUT_SECONDS * 1000 }) };
}

class ProviderAway extends Error {
  constructor(options?: ErrorOptions) {
    super("The identity provider cannot be discovered", options);
  }
}

async function authenticationOf({ clientSecret, clientSecretFile }: OidcSettings, metadata: oidc.ServerMetadata): Promise<oidc.ClientAuth> {
  const secret = clientSecretFile ? (await readFile(clientSecretFile, "utf8")).trim() : clientSecret;
  if (secret === "") return oidc.None();
  // Where nothing is said, it is Basic (OpenID Connect Discovery 1.0, section 3)
  const takesBasic = metadata.token_endpoint_auth_methods_supported?.includes("client_secret_basic") ?? true;
  return takesBasic ? oidc.ClientSecretBasic(secret) : oidc.ClientSecretPost(secret);
}

function isAway(error: unknown): boolean {
  if (!isNativeError(error)) return false;
  const { cause } = error;
  if (error instanceof ProviderAway || error.message === "fetch failed" || ["TimeoutError", "AbortError"].includes(error.name)) return true;
  return cause instanceof Response ? cause.status >= 500 : cause !== error && isAway(cause);
}
