/**
 * A process of the demo, seen from inside: it is told its folder, says when it is ready, and ends with its parent.
 */
import { placeIn, type Place } from './place.ts';

export interface Started {
  readonly place: Place;
  readonly args: readonly string[];
  /** Tells the parent. */
  readonly report: (message: object) => void;
}

export function started(): Started {
  const [folder, ...args] = process.argv.slice(2);
  if (folder === undefined || process.send === undefined)
    throw new Error('this is a part of the demo: run `npm start`');
  // Whatever becomes of the parent, nothing stays behind.
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
  return {
    place: placeIn(folder),
    args,
    report: (message) => void process.send?.(message),
  };
}
