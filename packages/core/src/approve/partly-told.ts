/**
 * A channel whose message reached some people and not others.
 * @module
 */

/** Thrown by `opened` and `closed`: the notifier asks again, and hands the reference back then, after a restart too. */
export class PartlyTold extends Error {
  /** Who has the message, for the channel alone to read; at most 1,000 characters. */
  readonly reference: string;
  constructor(message: string, reference: string) {
    super(message);
    this.name = 'PartlyTold';
    this.reference = reference;
  }
}
