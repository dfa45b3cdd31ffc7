/**
 * Consent: the link that a user is sent to, and the flow that it begins in that user's session.
 *
 * The link is no secret and changes nothing by itself: it says who has to consent to what, sealed under the tenant's key,
 * and only that very user, authenticated, begins a flow with it.
 * @module
 */
import { timingSafeEqual } from 'node:crypto';
import { CountersignError, LeaseError } from '@countersign/core';
import type { Sealer, SubjectKey } from '@countersign/core/provider-kit';
import { generateRandomCodeVerifier, generateRandomNonce, generateRandomState } from 'oauth4webapi';
import type { ServerOfService, Tokens } from './authorization-server.ts';
import { failure, refusalOf } from './failure.ts';
import { lifetimeUnknown } from './refresh.ts';
import { includesAll, sorted, type OAuthService } from './service.ts';
import {
  connectionId,
  flowId,
  untilDone,
  type Connection,
  type Flow,
  type Place,
  type Vault,
  type VaultEvent,
} from './vault.ts';

/** Who a request of a browser is from, as the application's own authentication says. */
export interface BrowserUser {
  readonly tenant: string;
  readonly user: string;
  /** An id of the session, the same for all its requests and never that of another. */
  readonly session: string;
}

/** What a user is asked for. */
export interface Offer {
  readonly service: string;
  readonly scopes: readonly string[];
  readonly run?: string;
}

export interface ServiceHandle {
  readonly service: OAuthService;
  readonly server: ServerOfService;
}

export interface ConsentContext {
  readonly vault: Vault;
  readonly sealer: Sealer;
  readonly now: () => number;
  /** Where the routes are mounted, without a slash at the end. */
  readonly baseUrl: string;
  /** How long a link can be used, in milliseconds. */
  readonly offerTtlMs: number;
  readonly services: ReadonlyMap<string, ServiceHandle>;
}

/** How long a user may take at the server, in milliseconds. */
const flowTtlMs = 600_000;
const offerContext = 'oauth|offer';
/** What a gate accepts as an address to send users to. */
const maxUrlLength = 2_048;

/** Why a consent did not come about, for the page that the user sees. */
export class ConsentError extends Error {
  override readonly name = 'ConsentError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface SealedOffer extends Offer {
  readonly subject: string;
  readonly expiresAt: number;
}

/** @throws LeaseError when so much is asked for that no address can hold it */
export function consentUrl(
  { sealer, now, baseUrl, offerTtlMs }: ConsentContext,
  tenant: string,
  key: SubjectKey,
  offer: Offer,
): string {
  const sealed: SealedOffer = { ...offer, subject: key.pseudonym, expiresAt: now() + offerTtlMs };
  const url = `${baseUrl}/connect/${sealer.tenant(tenant).seal(JSON.stringify(sealed), offerContext)}`;
  if (url.length <= maxUrlLength) return url;
  throw new LeaseError(`service ${offer.service}: the consent asks for too many scopes; remedy: ask for fewer`);
}

/** Where the browser goes next. Throws `ConsentError` for a link that is not this user's, or has ended. */
export async function beginConsent(context: ConsentContext, who: BrowserUser, link: string): Promise<URL> {
  const { vault, now, services } = context;
  const key = await subjectOf(context, who);
  const offer = openOffer(context, who.tenant, link);
  if (offer.subject !== key.pseudonym)
    throw new ConsentError(
      403,
      'This link was made for another user. Sign in as the one who was asked, or start again.',
    );
  if (offer.expiresAt <= now()) throw new ConsentError(410, 'This link has ended. Go back and start again.');
  const handle = services.get(offer.service);
  if (handle === undefined) throw new ConsentError(404, 'This service cannot be connected here.');
  const { service, server } = handle;
  const flow: Flow = {
    service: service.name,
    issuer: await asked(service.name, server.issuer()),
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
    scopes: offer.scopes,
    ...(offer.run === undefined ? {} : { run: offer.run }),
    expiresAt: now() + flowTtlMs,
  };
  await replace(vault, flowPlace(who, key, service.name), flow);
  return asked(service.name, server.authorizationUrl(challengeOf(context, service, flow)));
}

export interface Connected {
  readonly tenant: string;
  readonly user: string;
  readonly service: string;
  readonly scopes: readonly string[];
  /** The run whose call asked for it. */
  readonly run?: string;
}

/**
 * Takes the answer that the server sent through the browser. The flow is consumed before the code is redeemed, so that
 * neither state nor code can be used twice. Throws `ConsentError`.
 */
export async function completeConsent(
  context: ConsentContext,
  who: BrowserUser,
  name: string,
  answer: URL,
): Promise<Connected> {
  const key = await subjectOf(context, who);
  const handle = context.services.get(name);
  if (handle === undefined) throw new ConsentError(404, 'This service cannot be connected here.');
  const { service, server } = handle;
  const flow = await takeFlow(context, flowPlace(who, key, name), answer.searchParams.getAll('state'));
  const refused = async (status: number, message: string, detail: string): Promise<never> => {
    await context.vault.record(who.tenant, key, { event: 'consent_refused', service: name, detail });
    throw new ConsentError(status, message);
  };
  let connection: Connection;
  try {
    if ((await server.issuer()) !== flow.issuer) throw new LeaseError(`service ${name}: its issuer changed`);
    connection = await redeem(context, handle, flow, answer);
  } catch (error) {
    const { message } = failure(name, 'consent', error);
    if (refusalOf(error) === 'access_denied')
      return refused(403, `You did not allow the connection to ${name}.`, message);
    if (error instanceof ConsentError) return refused(error.status, error.message, error.message);
    return refused(502, `${name} could not be connected. Go back and start again.`, message);
  }
  const scopes = service.lease.mode === 'direct' ? connection.scopes : undefined;
  const place: Place = { kind: 'token', tenant: who.tenant, id: connectionId(key, name, scopes), key };
  const run = flow.run === undefined ? {} : { run: flow.run };
  await replace(context.vault, place, connection, { event: 'consent_granted', service: name, ...run });
  return { tenant: who.tenant, user: who.user, service: name, scopes: connection.scopes, ...run };
}

async function redeem(
  context: ConsentContext,
  { service, server }: ServiceHandle,
  flow: Flow,
  answer: URL,
): Promise<Connection> {
  const tokens = await server.redeem(answer, challengeOf(context, service, flow));
  try {
    return connectionFrom(context, service, flow, tokens);
  } catch (error) {
    const { refreshToken, accessToken } = tokens;
    const hint = refreshToken === undefined ? 'access_token' : 'refresh_token';
    await server.revoke(refreshToken ?? accessToken, hint).catch(() => undefined);
    throw error;
  }
}

function connectionFrom({ now }: ConsentContext, service: OAuthService, flow: Flow, tokens: Tokens): Connection {
  const { name, lease, baseScopes = [], client } = service;
  const granted = (tokens.scopes ?? flow.scopes).filter(
    (scope) => flow.scopes.includes(scope) || !baseScopes.includes(scope),
  );
  const missing = flow.scopes.filter((scope) => !granted.includes(scope));
  if (missing.length > 0)
    throw new ConsentError(
      403,
      `${name} was not connected: these permissions were not granted: ${missing.join(', ')}. Start again and allow them.`,
    );
  if (lease.mode === 'direct' && !includesAll(flow.scopes, granted))
    throw new ConsentError(502, `${name} was not connected: the server granted more than it was asked for.`);
  if (tokens.expiresAt === undefined) throw lifetimeUnknown(service);
  return {
    service: name,
    issuer: flow.issuer,
    clientId: client.id,
    scopes: sorted(granted),
    connectedAt: now(),
    accessToken: tokens.accessToken,
    expiresAt: tokens.expiresAt,
    ...(tokens.refreshToken === undefined ? {} : { refreshToken: tokens.refreshToken }),
    ...(tokens.account === undefined ? {} : { account: tokens.account }),
  };
}

/** RFC 9700 §4.4: a redirect address for each service, so that no server's answer is taken for another's. */
function challengeOf({ baseUrl }: ConsentContext, { name, baseScopes = [] }: OAuthService, flow: Flow) {
  const { state, nonce, verifier } = flow;
  const scopes = sorted([...baseScopes, ...flow.scopes]);
  return { redirectUri: `${baseUrl}/callback/${name}`, state, nonce, verifier, scopes };
}

async function takeFlow({ vault, now }: ConsentContext, place: Place, states: readonly string[]): Promise<Flow> {
  const stored = await vault.load<Flow>(place);
  const [state] = states;
  // Another user's answer, another session's, one that was used, one that was made up: nothing is consumed by it.
  if (stored === undefined || states.length !== 1 || state === undefined || !equal(stored.value.state, state))
    throw new ConsentError(400, 'This answer belongs to no connection that you began in this session. Start again.');
  if (!(await vault.put(place, stored.version, undefined)))
    throw new ConsentError(400, 'This answer was used before. Start again.');
  if (stored.value.expiresAt <= now()) throw new ConsentError(410, 'This took too long. Go back and start again.');
  return stored.value;
}

function flowPlace({ tenant, session }: BrowserUser, key: SubjectKey, service: string): Place {
  return { kind: 'consent', tenant, id: flowId(key, session, service), key };
}

function openOffer({ sealer }: ConsentContext, tenant: string, link: string): SealedOffer {
  try {
    return JSON.parse(sealer.tenant(tenant).open(link, offerContext)) as SealedOffer;
  } catch {
    throw new ConsentError(400, 'This link is not valid here. Go back and start again.');
  }
}

async function subjectOf({ vault }: ConsentContext, { tenant, user }: BrowserUser): Promise<SubjectKey> {
  try {
    return await vault.subject(tenant, user);
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'ERR_KEY')
      throw new ConsentError(403, 'You cannot connect services here.');
    throw error;
  }
}

async function asked<Value>(service: string, answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch {
    throw new ConsentError(502, `${service} cannot be reached. Try again later.`);
  }
}

/** The newest wins: of two tabs, the first is told to start again. */
async function replace(vault: Vault, place: Place, value: object, event?: VaultEvent): Promise<void> {
  await untilDone(async () => (await vault.put(place, await vault.version(place), value, event)) || undefined);
}

function equal(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}
