/**
 * For credential providers in packages of their own that keep state of users in the store: how to seal it, to record what
 * became of it, and to let one process at a time work on it.
 * @module
 */
export { requireId } from './identify/principal.ts';
export { keyBytes } from './key-bytes.ts';
export { isLoopback } from './loopback.ts';
export { createClock } from './record/clock.ts';
export type { Clock } from './record/clock.ts';
export { createRecorder } from './record/recorder.ts';
export type { Recorder } from './record/recorder.ts';
export type { RecordDraft } from './record/record.ts';
export { createSealer } from './record/sealing.ts';
export type { Sealer, SubjectKey } from './record/sealing.ts';
export { takeLock, type Lock } from './store/lock.ts';
export type { StoredEntry } from './store/store.ts';
export { within } from './within-time.ts';
