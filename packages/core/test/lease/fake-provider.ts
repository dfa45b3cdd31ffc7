import { LeaseError } from '../../src/errors.ts';
import type { Consent, Credential, CredentialProvider, LeaseRequest } from '../../src/lease/lease.ts';
import { Secret } from '../../src/lease/secret.ts';

export type Fake = CredentialProvider & {
  /** Live credentials at the service, by credential id: the lease each is for. */
  readonly live: Map<string, string>;
  readonly requests: LeaseRequest[];
  readonly revocations: { tenant: string; leaseId: string; credentialId: string | undefined }[];
};

export interface FakeOptions extends Partial<
  Pick<CredentialProvider, 'name' | 'services' | 'maxLifetimeMs' | 'revocable' | 'findable'>
> {
  readonly now: () => number;
  /** Runs before a credential is issued. */
  readonly before?: (request: LeaseRequest) => unknown;
  /** Changes what is answered, after the credential was issued. */
  readonly answer?: (credential: Credential) => unknown;
  readonly revoke?: (attempt: number) => unknown;
}

/** A service with its provider in one: a credential works as long as it is in `live`. */
export function fakeProvider(options: FakeOptions): Fake {
  const live = new Map<string, string>();
  const requests: LeaseRequest[] = [];
  const revocations: Fake['revocations'] = [];
  return {
    name: options.name ?? 'fake',
    services: options.services ?? ['github'],
    maxLifetimeMs: options.maxLifetimeMs ?? 900_000,
    revocable: options.revocable ?? true,
    findable: options.findable ?? true,
    live,
    requests,
    revocations,
    async get(request) {
      requests.push(request);
      await options.before?.(request);
      const credentialId = `credential-${requests.length}-${request.service}`;
      live.set(credentialId, request.leaseId);
      const secret = new Secret(`canary-${credentialId}`);
      const credential: Credential = { credentialId, secret, expiresAt: options.now() + request.ttlMs };
      return (options.answer?.(credential) ?? credential) as Credential | Consent;
    },
    async provision() {},
    async revoke(input) {
      revocations.push(input);
      await options.revoke?.(revocations.length);
      for (const [id, lease] of live) if (id === input.credentialId || lease === input.leaseId) live.delete(id);
    },
    async rotate() {
      throw new LeaseError('not here');
    },
  };
}
