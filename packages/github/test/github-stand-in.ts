/**
 * A stand-in for GitHub, which has no server to run here: the endpoints that this package calls, and two on which a token
 * shows what it may do. It verifies the App's JWT for real, and knows which token is for what, is revoked or has expired.
 * What it does is written from GitHub's REST documentation; that GitHub does the same is not tested.
 */
import { randomUUID, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jwtVerify, SignJWT } from 'jose';

export interface GithubStandIn {
  readonly url: string;
  /** Tokens that work now. */
  readonly live: Set<string>;
  /** Every request, as `METHOD path`. */
  readonly asked: string[];
  /** Milliseconds since the epoch, by its clock. */
  now: number;
  /** Changes the body of the next tokens. */
  tamper: (body: Record<string, unknown>) => Record<string, unknown>;
  /** When set, answers everything in the place of the stand-in. */
  broken: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  stop(): void;
}

interface Granted {
  readonly repositories: readonly string[];
  readonly permissions: Readonly<Record<string, string>>;
  readonly endsAt: number;
}

const installation = 4711;
/** What the App was installed on, and with. */
const owned = ['web', 'docs', 'infra'];
const allowed: Readonly<Record<string, readonly string[]>> = {
  contents: ['read', 'write'],
  issues: ['read', 'write'],
  administration: ['read', 'write', 'admin'],
};

/** What a token has for which nothing was asked: all of it. */
const everything = { contents: 'write', issues: 'write', administration: 'admin' };

export const app = { id: 99, installation, owner: 'acme' };

export async function startGithub(publicKey: KeyObject): Promise<GithubStandIn> {
  const tokens = new Map<string, Granted>();
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.writeHead(500).end());
  });
  const reply = (
    response: ServerResponse,
    status: number,
    body?: unknown,
    headers: Record<string, string> = {},
  ): void => {
    const common = { 'Content-Type': 'application/json', Date: new Date(standIn.now).toUTCString() };
    response.writeHead(status, { ...common, ...headers }).end(body === undefined ? undefined : JSON.stringify(body));
  };
  const verifyApp = async (request: IncomingMessage): Promise<string | undefined> => {
    const jwt = /^bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const { payload } = await jwtVerify(jwt, publicKey, { algorithms: ['RS256'], clockTolerance: '1y' }).catch(() => ({
      payload: undefined,
    }));
    const now = standIn.now / 1000;
    if (payload === undefined || Number(payload.iss) !== app.id) return 'A JSON web token could not be decoded';
    if (!((payload.iat ?? Infinity) <= now)) {
      return `'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued`;
    }
    if (!((payload.exp ?? 0) > now)) {
      return `'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires`;
    }
    return (payload.exp ?? 0) > now + 600 ? `'Expiration time' claim ('exp') is too far in the future` : undefined;
  };
  const issue = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const problem = await verifyApp(request);
    if (problem !== undefined) return reply(response, 401, { message: problem });
    if (request.url !== `/app/installations/${installation}/access_tokens`) return reply(response, 404, {});
    const { repositories = owned, permissions = everything } = JSON.parse(await text(request)) as {
      repositories?: string[];
      permissions?: Record<string, string>;
    };
    const known = repositories.every((name) => owned.includes(name));
    const permitted = Object.entries(permissions).every(([name, level]) => allowed[name]?.includes(level) === true);
    if (!known || !permitted) return reply(response, 422, { message: 'not granted to this installation' });
    const payload = await new SignJWT({ id: randomUUID() })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.alloc(32, 7));
    // The form since April 2026: long, and with a JWT in it.
    const token = `ghs_${app.id}_${payload}`;
    const endsAt = Math.floor(standIn.now / 1000) * 1000 + 3_600_000;
    tokens.set(token, { repositories, permissions, endsAt });
    standIn.live.add(token);
    const body = {
      token,
      expires_at: new Date(endsAt).toISOString(),
      permissions: { ...permissions, metadata: 'read' },
      repository_selection: 'selected',
      repositories: repositories.map((name, index) => ({ id: index + 1, name, full_name: `${app.owner}/${name}` })),
    };
    return reply(response, 201, standIn.tamper(body));
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    standIn.asked.push(`${request.method} ${request.url}`);
    if (standIn.broken !== undefined) return standIn.broken(request, response);
    if (request.method === 'POST') return issue(request, response);
    const token = /^(?:token|bearer) (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const granted = tokens.get(token);
    if (granted === undefined || !standIn.live.has(token) || granted.endsAt <= standIn.now) {
      return reply(response, 401, { message: 'Bad credentials' });
    }
    if (request.method === 'DELETE' && request.url === '/installation/token') {
      standIn.live.delete(token);
      return reply(response, 204);
    }
    const repository = /^\/repos\/acme\/([^/]+)\/contents\//.exec(request.url ?? '')?.[1] ?? '';
    const level = granted.permissions['contents'];
    const may =
      granted.repositories.includes(repository) && (request.method === 'GET' ? level !== undefined : level === 'write');
    return reply(response, may ? 200 : 403, {});
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const standIn: GithubStandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    live: new Set(),
    asked: [],
    now: Date.now(),
    tamper: (body) => body,
    broken: undefined,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
  return standIn;
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
