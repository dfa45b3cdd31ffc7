/**
 * How a result becomes text that can be kept encrypted and returned when the same call is asked again.
 * @module
 */
import { prepareArguments, restoreArguments } from './arguments.ts';

/** Adapters supply one for results that are not plain JSON. A throw of `encode` means that the result is not kept. */
export interface ResultCodec<Result> {
  encode(result: Result): string;
  decode(text: string): Result;
}

/** The half of a codec that returning a stored outcome needs. */
export type Decoder = Pick<ResultCodec<unknown>, 'decode'>;

/** Plain JSON, dates, URLs and `undefined`. */
export const plainCodec: ResultCodec<unknown> = {
  encode: (result) => prepareArguments(result).canonical,
  decode: restoreArguments,
};

/** Longest encoded result that is kept, in UTF-16 units. */
export const maxRetainedResult = 1_000_000;
