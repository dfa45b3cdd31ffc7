/**
 * What channels share: signed requests, and answers to them.
 * @module
 */
export { askDirectory } from './ask-directory.ts';
export { boundedReplayGuard, isFresh, memoryReplayGuard, readBody, RequestRefused } from './signed-request.ts';
export { tellListener } from '../tell-listener.ts';
export type { ReplayGuard } from './signed-request.ts';
export { PartlyTold } from './partly-told.ts';
export { consoleAddress } from './console-address.ts';
export { networkOfAddress } from './network-of-address.ts';
export { createRateLimit } from './rate-limit.ts';
export type { LocalRateLimit, RateLimit, RateLimitOptions, RateLimitTaken } from './rate-limit.ts';
export { problemResponse, statusOfError } from './problem.ts';
export { codeOf, groupedCode, typedCode } from './typed-code.ts';
export { maxPointer } from '../authorize/provenance.ts';
export { parseJsonText } from '../execute/json-text.ts';
export { visible } from './visible.ts';
export { isLoopback } from '../loopback.ts';
export { samePerson } from '../store/same-person.ts';
export { within } from '../within-time.ts';
