/**
 * What a tool body can ask for while it runs: its call, and the leases of that call. Nothing comes as an argument.
 * @module
 */
import { LeaseError } from '../errors.ts';
import { processState } from '../process-state.ts';
import type { Lease } from './lease.ts';

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
  /** Ends it, for everything the body left running too: from now on both methods throw. Idempotent. */
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

/** For the gate: makes the context in which a body will run. `clock` gives milliseconds since the epoch. */
export function openCallContext(input: {
  readonly call: CurrentCall;
  readonly leases: readonly Lease[];
  readonly clock: () => number;
}): CallContext {
  const call = Object.freeze({ ...input.call });
  const leases = new Map(input.leases.map((lease) => [lease.service, Object.freeze({ ...lease })]));
  let open = true;
  const requireOpen = (): void => {
    if (!open) throw new LeaseError(`the call of tool ${call.tool} has ended: its context and its leases with it`);
  };
  return Object.freeze({
    call: () => {
      requireOpen();
      return call;
    },
    lease: (service: string) => {
      requireOpen();
      const lease = leases.get(service);
      if (lease === undefined) {
        throw new LeaseError(
          `tool ${call.tool} has no credential for service ${JSON.stringify(service)} in its policy`,
        );
      }
      if (lease.expiresAt <= input.clock()) throw new LeaseError(`the lease for service ${service} has expired`);
      return lease;
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
