/**
 * What a tool body can ask for while it runs: its call, and the leases of that call. Nothing comes as an argument.
 * @module
 */
import { LeaseError } from '../errors.ts';
import { processState } from '../process-state.ts';
import type { Lease } from './lease.ts';
import { createLeaseFetch, type FetchRule, type LeaseFetch } from './lease-fetch.ts';
import type { Reservation } from './budget.ts';

/** The guarded call that is running here. */
export interface CurrentCall {
  readonly callKey: string;
  /** The same on every attempt of this call: hand it to services that can deduplicate. */
  readonly idempotencyKey: string;
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  readonly run: string;
  readonly tool: string;
  /** Aborted when the caller gave up on the call. */
  readonly signal?: AbortSignal;
}

/** The context of one call. Its state is in closures, so that it is the same for every copy of this module. */
export interface CallContext {
  call(): CurrentCall;
  lease(service: string): Lease;
  fetch(service: string): LeaseFetch;
  spend(service: string, amount: number): void;
  /** Ends it, for everything the body left running too: from now on its methods throw. Idempotent. */
  close(): void;
}

/**
 * The call whose body is running here. Throws `LeaseError` outside a guarded call and after it has ended.
 */
export function currentCall(): CurrentCall {
  return currentContext().call();
}

/**
 * The lease for a service that the policy attaches to this tool. Throws `LeaseError` outside a guarded call, after it
 * has ended, for any other service, and when the lease has expired.
 */
export function currentLease(service: string): Lease {
  return currentContext().lease(service);
}

/**
 * A `fetch` that adds the credential of a service for the origins that the policy names, and shows it to nobody. For a
 * service whose policy entry has `fetch`, it is the only way to the credential. It works as long as the call runs.
 * Rejects with `LeaseError` for any other origin, for a redirect that leaves https, and where the tool sets the header.
 */
export function leaseFetch(service: string): LeaseFetch {
  return currentContext().fetch(service);
}

/**
 * Reports what this call has cost so far at a service whose policy entry has a budget, in its currency. Reports add up;
 * without one, the whole declared cost counts.
 */
export function reportSpend(service: string, amount: number): void {
  currentContext().spend(service, amount);
}

/** For the gate: makes the context in which a body will run. `clock` gives milliseconds since the epoch. */
export function openCallContext(input: {
  readonly call: CurrentCall;
  readonly leases: readonly Lease[];
  /** By service: the secret is for {@link leaseFetch} alone. */
  readonly fetchRules?: ReadonlyMap<string, FetchRule>;
  readonly reservations?: readonly Reservation[];
  readonly clock: () => number;
}): CallContext {
  const { fetchRules = new Map<string, FetchRule>(), reservations = [] } = input;
  const call = Object.freeze({ ...input.call });
  const leases = new Map(input.leases.map((lease) => [lease.service, Object.freeze({ ...lease })]));
  let open = true;
  const requireOpen = (): void => {
    if (!open) throw new LeaseError(`the call of tool ${call.tool} has ended: its context and its leases with it`);
  };
  const held = (service: string): Lease => {
    requireOpen();
    const lease = leases.get(service);
    if (lease === undefined) {
      throw new LeaseError(`tool ${call.tool} has no credential for service ${JSON.stringify(service)} in its policy`);
    }
    if (lease.expiresAt <= input.clock()) throw new LeaseError(`the lease for service ${service} has expired`);
    return lease;
  };
  return Object.freeze({
    call: () => {
      requireOpen();
      return call;
    },
    lease: (service: string) => {
      const lease = held(service);
      if (!fetchRules.has(service)) return lease;
      throw new LeaseError(`the policy hides the secret of service ${service}: use leaseFetch`);
    },
    fetch: (service: string) => {
      held(service);
      const rule = fetchRules.get(service);
      if (rule !== undefined) return createLeaseFetch(rule, () => held(service));
      throw new LeaseError(`service ${service}: the policy names no origins to fetch from`);
    },
    spend: (service: string, amount: number) => {
      requireOpen();
      const reservation = reservations.find((each) => each.service === service);
      if (reservation === undefined)
        throw new LeaseError(`service ${service} has no budget in the policy of ${call.tool}`);
      reservation.spend(amount);
    },
    close: () => {
      open = false;
      leases.clear();
    },
  });
}

/** For the gate: runs `body` with `context` as its ambient context. The gate closes the context, whatever happens. */
export function runInCall<Result>(context: CallContext, body: () => Result): Result {
  return processState().call.run(context, body);
}

function currentContext(): CallContext {
  const context = processState().call.getStore();
  if (context === undefined) throw new LeaseError('there is no guarded call here: it is known only inside a tool body');
  return context as CallContext;
}
